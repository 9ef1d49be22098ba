import { createHash } from 'node:crypto';

/** What the launch register of a platform holds after one extension of its initial value. */
export interface ExpectedRegister {
  platform: 'tpm' | 'tdx';
  /** `PCR 14` or `RTMR 3`. */
  name: string;
  bank: 'sha256' | 'sha384';
  /** Lower-case hex. */
  value: string;
}

/**
 * What a verifier of a measured launch may expect: the register that was zero at power-on and was extended once with the gateway
 * measurement (32 bytes). A TPM extends with the digest itself (TPM 2.0 Part 3, TPM2_PCR_Extend), TDX with its SHA-384, because a
 * runtime register takes 48 bytes.
 */
export function expectedRegisters(measurement: Uint8Array): ExpectedRegister[] {
  const hash = (bank: 'sha256' | 'sha384', ...parts: Uint8Array[]): Buffer =>
    parts.reduce((running, part) => running.update(part), createHash(bank)).digest();
  const pcr = hash('sha256', new Uint8Array(32), measurement);
  const rtmr = hash('sha384', new Uint8Array(48), hash('sha384', measurement));
  return [
    { platform: 'tpm', name: 'PCR 14', bank: 'sha256', value: pcr.toString('hex') },
    { platform: 'tdx', name: 'RTMR 3', bank: 'sha384', value: rtmr.toString('hex') },
  ];
}
