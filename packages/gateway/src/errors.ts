/**
 * The one registry of error codes. A caller sees a code and an id, never internals; every code is documented in
 * docs/errors.md and reached by a test.
 */
interface ErrorSpec {
  /** Plain sentence that may be shown to any caller. */
  message: string;
  /** JSON-RPC code for the 2026-07-28 family (own codes lie outside −32768..−32000; standard ones stay). */
  rpc: number;
  /** HTTP status where the transport itself must speak; policy answers go out with 200. */
  status: number;
}

const policy = (message: string, rpc: number): ErrorSpec => ({ message, rpc, status: 200 });

export const ERRORS = {
  // The call was understood and refused.
  TOOL_NOT_IN_CATALOG: policy('This tool is not in the approved catalog.', 4001),
  RESOURCE_NOT_IN_CATALOG: policy('This resource is not in the approved catalog.', -32602),
  PROMPT_NOT_IN_CATALOG: policy('This prompt is not in the approved catalog.', -32602),
  POLICY_DENY: policy('Request denied by policy.', 4002),
  POLICY_ERROR: policy('The policy could not be evaluated for this request, so it is denied.', 4003),
  CATALOG_DRIFT: policy('The tool changed since it was approved.', 4004),
  EGRESS_DENIED: policy('The response was withheld by policy.', 4005),
  STEP_UP_REQUIRED: policy('This call needs an approval.', 4006),
  DEFERRED: policy('This call is deferred.', 4007),
  ARGUMENTS_REFUSED: policy('The arguments contain a name or value that is not accepted.', 4008),
  UNKNOWN_DATA_CLASS: policy('The declared data class is not in the vocabulary.', 4009),
  SESSION_UNKNOWN: policy('The session handle is unknown or has ended.', 4010),
  TOO_MANY_SESSIONS: policy('Too many sessions are open; try again later.', 4011),
  ASK_REFUSED: policy('The server asked for something that it may not ask.', 4012),
  CAPABILITY_REQUIRED: {
    message: 'The client did not declare a capability that this needs.',
    rpc: -32021,
    status: 400,
  },
  METHOD_NOT_GOVERNED: { message: 'This method is not offered by the gateway.', rpc: -32601, status: 404 },
  RESPONSE_INJECTION_DETECTED: policy(
    "The response holds instructions that are not the user's, and was withheld.",
    4013,
  ),
  RESPONSE_SCHEMA_VIOLATION: policy('The response does not fit the approved schema.', 4014),
  RESPONSE_SCHEMA_VIOLATION_STRICT: policy('The response has members that nobody approved.', 4015),
  RESPONSE_CONTENT_REFUSED: policy('The response holds what may not be passed on.', 4016),
  RESPONSE_QUARANTINED: policy('The response is held until an operator releases it.', 4017),
  APPROVAL_REFUSED: policy('Whoever was asked to approve this call refused it.', 4022),
  BLOCKED: policy('This is stopped until an operator lifts it.', 4018),
  LIMIT_EXCEEDED: policy('A limit on use is reached; try again later.', 4019),
  INTENT_SCOPE: policy('This is not among what the agent manifest names.', 4020),
  MANIFEST_REFUSED: policy('The agent manifest does not allow this session.', 4021),
  INSPECTION_FAILED: policy('The response could not be inspected, so it was withheld.', 5015),
  // Something failed on the way.
  UPSTREAM_UNAVAILABLE: policy('The tool server cannot be reached.', 5001),
  UPSTREAM_TOOL_ERROR: policy('The tool server answered with an error.', 5002),
  UPSTREAM_PROTOCOL_ERROR: policy('The tool server gave an answer that is not valid MCP.', 5003),
  UPSTREAM_TIMEOUT: policy('The tool server did not answer in time; the outcome is unknown.', 5004),
  OUTCOME_UNKNOWN: policy('The connection to the tool server was lost during the call; the outcome is unknown.', 5005),
  RESPONSE_SIZE_EXCEEDED: policy('The response is larger than allowed.', 5006),
  RESPONSE_ENCODING_INVALID: policy('The response is not valid UTF-8 JSON.', 5007),
  ASK_UNANSWERED: policy('The client did not answer what the tool server asked of it.', 5014),
  CALL_CANCELLED: policy('The call was cancelled.', 5008),
  AUDIT_UNAVAILABLE: policy('The audit log cannot record, so nothing is served.', 5009),
  SHUTTING_DOWN: policy('The gateway is shutting down.', 5010),
  ATTESTATION_FAILED: {
    message: 'Evidence about the machine could not be collected, so no session is opened.',
    rpc: 5012,
    status: 503,
  },
  ATTESTATION_STALE: policy('The evidence about the machine is no longer valid.', 5013),
  INTERNAL_ERROR: { message: 'Internal error.', rpc: -32603, status: 200 },
  // The message itself is not acceptable.
  PARSE_ERROR: { message: 'The body is not acceptable JSON.', rpc: -32700, status: 400 },
  INVALID_REQUEST: { message: 'Not a valid JSON-RPC request.', rpc: -32600, status: 400 },
  INVALID_PARAMS: { message: 'The parameters are not valid.', rpc: -32602, status: 200 },
  BODY_TOO_LARGE: { message: 'The body is larger than allowed.', rpc: -32600, status: 413 },
  HEADER_MISMATCH: { message: 'A header is missing or disagrees with the body.', rpc: -32020, status: 400 },
  UNSUPPORTED_VERSION: { message: 'This protocol version is not supported.', rpc: -32022, status: 400 },
  SESSION_REQUIRED: { message: 'Mcp-Session-Id is missing.', rpc: -32600, status: 400 },
  SESSION_NOT_FOUND: { message: 'No such transport session.', rpc: -32600, status: 404 },
  NOT_INITIALIZED: { message: 'The session is not initialized.', rpc: -32600, status: 400 },
  NOT_ACCEPTABLE: { message: 'Accept must allow the answer.', rpc: -32600, status: 406 },
  UNSUPPORTED_MEDIA_TYPE: { message: 'Content-Type must be application/json.', rpc: -32600, status: 415 },
  METHOD_NOT_ALLOWED: { message: 'HTTP method not allowed here.', rpc: -32600, status: 405 },
  ROUTE_NOT_FOUND: { message: 'No such route.', rpc: -32600, status: 404 },
  UNAUTHENTICATED: { message: 'A valid credential is required.', rpc: -32600, status: 401 },
  FORBIDDEN: { message: 'This credential may not do that.', rpc: -32600, status: 403 },
  INSUFFICIENT_SCOPE: { message: 'The credential was not issued for this.', rpc: -32600, status: 403 },
  IDENTITY_UNAVAILABLE: { message: 'Nobody can say who this caller is at present.', rpc: 5016, status: 503 },
  IDEMPOTENCY_CONFLICT: { message: 'This idempotency key was used for another request.', rpc: -32600, status: 409 },
  RATE_LIMITED: { message: 'Too many attempts; wait before trying again.', rpc: -32600, status: 429 },
  OVERLOADED: { message: 'The gateway is at its limit; try again later.', rpc: 5011, status: 503 },
  HOST_REFUSED: { message: 'Host is not on the allow-list.', rpc: -32600, status: 403 },
  ORIGIN_REFUSED: { message: 'Origin is not on the allow-list.', rpc: -32600, status: 403 },
  // The gateway does not start, or a command cannot do what was asked.
  CONFIG_INVALID: { message: 'The configuration is not valid.', rpc: 0, status: 0 },
  POLICY_INVALID: { message: 'The policy bundle is not valid.', rpc: 0, status: 0 },
  POLICY_HASH_MISMATCH: { message: 'The policy bundle is not the pinned one.', rpc: 0, status: 0 },
  POLICY_PIN_REQUIRED: { message: 'A policy hash or key must be pinned outside dev mode.', rpc: 0, status: 0 },
  POLICY_SIGNATURE_INVALID: { message: 'The policy signing key did not sign this.', rpc: 0, status: 0 },
  POLICY_VERSION_OLD: { message: 'A newer policy bundle was activated before.', rpc: 0, status: 0 },
  POLICY_KEY_REVOKED: { message: 'The policy signing key is revoked.', rpc: 0, status: 0 },
  POLICY_UNAPPROVED: { message: 'The policy bundle is not approved by those who must.', rpc: 0, status: 0 },
  CATALOG_UNAPPROVED: { message: 'The catalog is not approved by those who must.', rpc: 0, status: 0 },
  CATALOG_INVALID: { message: 'The catalog is not valid.', rpc: 0, status: 0 },
  CATALOG_HASH_MISMATCH: { message: 'The catalog is not the pinned one.', rpc: 0, status: 0 },
  CATALOG_PIN_REQUIRED: { message: 'A catalog hash must be pinned outside dev mode.', rpc: 0, status: 0 },
  INSPECTION_INVALID: { message: 'The inspection rules are not valid.', rpc: 0, status: 0 },
  MANIFEST_INVALID: { message: 'The agent manifests cannot be used.', rpc: 0, status: 0 },
  CREDENTIAL_REQUIRED: { message: 'A credential must be configured.', rpc: 0, status: 0 },
  ATTESTATION_UNAVAILABLE: {
    message: 'Nothing vouches for this machine, and dev mode is off.',
    rpc: 0,
    status: 0,
  },
  PROCESS_UNSAFE: { message: 'The process can be made to run other code than was measured.', rpc: 0, status: 0 },
  TLS_INVALID: { message: 'The TLS certificate or key cannot be used.', rpc: 0, status: 0 },
  ENROLMENT_REFUSED: { message: 'The attestation key cannot be enrolled.', rpc: 0, status: 0 },
  COLLATERAL_UNAVAILABLE: { message: 'Certificates or collateral could not be fetched.', rpc: 0, status: 0 },
  STORE_ROLLED_BACK: { message: 'The audit store is older than the counter of this machine says.', rpc: 0, status: 0 },
  STORE_SEALED: {
    message: 'The key of the audit store cannot be unsealed in this state of the machine.',
    rpc: 0,
    status: 0,
  },
  STORE_IN_USE: { message: 'Another gateway holds this audit store.', rpc: 0, status: 0 },
  STORE_INVALID: { message: 'The audit store cannot be read.', rpc: 0, status: 0 },
  RECORDING_INVALID: { message: 'The recording of decisions, or its key, cannot be read.', rpc: 0, status: 0 },
  OUTPUT_EXISTS: { message: 'Files are in the way, and nothing is overwritten.', rpc: 0, status: 0 },
  LISTEN_FAILED: { message: 'The address cannot be listened on.', rpc: 0, status: 0 },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** The only error that rooms throw on purpose. `detail` is for operators and never reaches an agent. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown }) {
    super(`${code}: ${detail}`, options);
    this.name = 'GatewayError';
    this.code = code;
    this.detail = detail;
  }
}
