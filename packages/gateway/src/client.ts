/** What a program needs that speaks to a gateway as its client. Loads neither the policy engine nor anything else that decides. */
export { type Clock, systemClock } from './clock.ts';
export { durationMs } from './config/duration.ts';
export { GatewayError } from './errors.ts';
export { readLines } from './ingress/lines.ts';
export { OutputPipe } from './ingress/output-pipe.ts';
export { AnswerBody, type HeaderFields } from './mcp/answer-body.ts';
export { ByteBuffer } from './mcp/byte-buffer.ts';
export { parseServerBytes } from './mcp/client.ts';
export { readSessionId } from './mcp/handshake/session-id.ts';
export { parameterHeaders, parameterHeaderValues, standardHeaders } from './mcp/headers.ts';
export { InFlight } from './mcp/in-flight.ts';
export { classify, errorMessage, type RequestId, type RpcNotification, type RpcRequest } from './mcp/jsonrpc.ts';
export { carriesEnvelope, readEnvelope } from './mcp/modern/envelope.ts';
export { MODERN_REVISION } from './mcp/revisions.ts';
export { systemTimers, type Timers } from './timers.ts';
export { HttpEndpoint, type HttpHandlers, type HttpRequest, type Peer } from './upstream/http-endpoint.ts';
