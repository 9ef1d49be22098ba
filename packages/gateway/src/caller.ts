/** Who is calling, as established by the transport and never by the message. */
export interface Caller {
  /** The Cedar principal's id. Printable ASCII. */
  subject: string;
  source: (typeof CALLER_SOURCES)[number];
}

export const CALLER_SOURCES = ['bearer', 'stdio'] as const;
