/** What the gateway can say of the platform it runs on, and of itself. Collected once, at start. */
export interface Attestation {
  /** The claim's `trace.runtime.platform`. */
  platform: 'software-only';
  /** Contracts section 4: `software` means that nothing but the key's own signature vouches for the session. */
  trustLevel: 'software';
  /** ML0: the gateway measured itself, which proves nothing to others. */
  launchLevel: 'ML0';
  /** `sha256:…` over the gateway's own files. */
  gatewayMeasurement: string;
}
