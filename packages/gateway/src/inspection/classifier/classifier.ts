import type { ClassifierConfig } from '../../config/types.ts';
import type { Timers } from '../../timers.ts';
import { type EndpointOptions, HttpEndpoint, type Peer } from '../../upstream/http-endpoint.ts';
import { post } from '../../upstream/post.ts';
import type { Finding, Passage } from '../types.ts';
import { classifierFailed, classifierRequest, MAX_ANSWER_BYTES, readClassified } from './protocol.ts';

/** Asks about the texts of an answer to a tool. Rejects with GatewayError INSPECTION_FAILED: then nobody was asked. */
export type Classify = (tool: string, passages: readonly Passage[]) => Promise<Finding[]>;

/** The operator's own judge of texts, and what becomes of an answer that it has not judged. */
export interface Classifier {
  classify: Classify;
  onFailure: ClassifierConfig['onFailure'];
  close(): Promise<void>;
}

/** Requests at once; others wait within their time. */
const CONNECTIONS = 16;

/** `isLabel`: whether the vocabulary has a label. */
export function httpClassifier(
  { url, timeoutMs, onFailure, headers }: ClassifierConfig,
  peer: Peer,
  { timers, isLabel, ...options }: EndpointOptions & { timers: Timers; isLabel: (label: string) => boolean },
): Classifier {
  const endpoint = new HttpEndpoint(url, () => headers, peer, { ...options, connections: CONNECTIONS });
  return {
    onFailure,
    close: () => endpoint.close(),
    classify: async (tool, passages) => {
      const texts = passages.map(({ text }) => text);
      const asked = { body: classifierRequest(tool, texts), timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES };
      const accepts = (status: number): boolean => status === 200;
      const answer = await post(endpoint, { ...asked, accepts, failure: classifierFailed }, timers);
      return readClassified(answer.body, texts, isLabel).flatMap(({ id, finding }) => {
        const passage = passages[id];
        return passage === undefined ? [] : [{ ...finding, passage }];
      });
    },
  };
}
