/** What a program needs that fills the folder of certificates and collateral: the only part that asks the network. */
export { fetchCollateral } from './attestation/collateral/fetch-collateral.ts';
export { networkFetcher } from './attestation/collateral/fetcher.ts';
export {
  type CollateralSubject,
  machineSubject,
  quoteSubject,
  reportSubject,
} from './attestation/collateral/subject.ts';
export { systemTsmFs } from './attestation/tsm/fs.ts';
export { systemTimers } from './timers.ts';
