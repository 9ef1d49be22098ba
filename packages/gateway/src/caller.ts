/** Who is calling, as established by the transport and never by the message. */
export interface Caller {
  /** The Cedar principal's id. Printable ASCII. */
  subject: string;
  source: 'bearer' | 'stdio';
}
