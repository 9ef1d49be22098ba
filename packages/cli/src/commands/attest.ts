import { actionGroup } from '../action-group.ts';
import { enrollAction } from '../attest/enroll.ts';
import { evidenceAction } from '../attest/evidence.ts';
import { fetchCollateralAction } from '../attest/fetch-collateral.ts';
import { measureAction } from '../attest/measure.ts';
import { verifyAction } from '../attest/verify.ts';

export const attestCommand = actionGroup({
  name: 'attest',
  summary: 'evidence about this machine: show it, enrol it, measure the gateway',
  actions: [evidenceAction, verifyAction, enrollAction, measureAction, fetchCollateralAction],
  standard: evidenceAction,
});
