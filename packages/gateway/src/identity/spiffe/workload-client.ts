/** What a stream of the Workload API brought, until it ended. */
export interface StreamEvents {
  onMessage(bytes: Uint8Array<ArrayBuffer>): void;
  /** Once, and last. */
  onEnd(why: string): void;
}

/** Opens a stream of the Workload API; the answer ends it. */
export type OpenStream = (method: string, events: StreamEvents) => () => void;

const SERVICE = 'SpiffeWorkloadAPI';
const OPTIONS = {
  'grpc.max_receive_message_length': 4_194_304,
  // Each attempt is one: whoever asks decides when the next one is due.
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** The Workload API at a Unix socket (SPIFFE Workload Endpoint). The library is loaded by who uses it alone. */
export async function workloadClient(socket: string): Promise<OpenStream> {
  const { Client, credentials, Metadata } = await import('@grpc/grpc-js');
  return (method, { onMessage, onEnd }) => {
    const client = new Client(`unix:${socket}`, credentials.createInsecure(), OPTIONS);
    const metadata = new Metadata();
    // Section 5 of the endpoint's specification: without it, a request may have been forged by way of another service.
    metadata.set('workload.spiffe.io', 'true');
    const bytes = (given: Buffer): Buffer => given;
    const path = `/${SERVICE}/${method}`;
    const call = client.makeServerStreamRequest(path, bytes, bytes, Buffer.alloc(0), metadata);
    const end = once((why: string): void => {
      client.close();
      onEnd(why);
    });
    call.on('data', (given: Buffer) => onMessage(new Uint8Array(given)));
    call.on('error', (error) => end(error.message));
    call.on('end', () => end('the agent ended the stream'));
    return () => call.cancel();
  };
}

function once(run: (why: string) => void): (why: string) => void {
  let done = false;
  return (why) => {
    if (done) return;
    done = true;
    run(why);
  };
}
