/** Why a message could not be passed on, or its answer not given back. */
export type FailureReason =
  /** A check of the gateway was refused: nothing is forwarded any more. */
  | 'not_attested'
  /** No check could be had, or no connection: nothing of the message was sent. */
  | 'not_reached'
  /** The connection ended after the message was sent: whether the gateway acted on it is not known. */
  | 'outcome_unknown'
  /** The gateway's answer is none that MCP allows, or is too large. */
  | 'answer_invalid'
  /** The gateway answered with an HTTP status and no MCP message. */
  | 'http_status'
  /** The gateway does not know the session any more. */
  | 'session_over'
  /** The client's message cannot be sent over HTTP. */
  | 'unsendable';

/** The one error of the bridge. Its message is for the person behind the client. */
export class ConnectFailure extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConnectFailure';
    this.reason = reason;
  }
}
