import { actionGroup } from '../action-group.ts';
import { addAction } from '../catalog/add.ts';
import { adoptAction } from '../catalog/adopt.ts';
import { approveAction } from '../catalog/approve.ts';
import { diffAction } from '../catalog/diff.ts';
import { exceptionAction } from '../catalog/exception.ts';
import { lintAction } from '../catalog/lint.ts';
import { pinAction } from '../catalog/pin.ts';
import { refreshAction } from '../catalog/refresh.ts';
import { reviewerKeyAction } from '../catalog/reviewer-key.ts';

export const catalogCommand = actionGroup({
  name: 'catalog',
  summary: 'propose, review, approve and examine the catalog of what is approved',
  actions: [
    addAction,
    refreshAction,
    diffAction,
    lintAction,
    approveAction,
    adoptAction,
    reviewerKeyAction,
    pinAction,
    exceptionAction,
  ],
  standard: null,
});
