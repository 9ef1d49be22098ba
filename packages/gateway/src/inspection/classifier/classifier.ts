import type { ClassifierConfig } from '../../config/types.ts';
import type { Timers } from '../../timers.ts';
import { type EndpointOptions, HttpEndpoint, type Peer } from '../../upstream/http-endpoint.ts';
import type { Finding, Passage } from '../types.ts';
import { post } from './post.ts';
import { classifierRequest, readClassified } from './protocol.ts';

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
      const answer = await post(endpoint, classifierRequest(tool, texts), timeoutMs, timers);
      return readClassified(answer, texts, isLabel).flatMap(({ id, finding }) => {
        const passage = passages[id];
        return passage === undefined ? [] : [{ ...finding, passage }];
      });
    },
  };
}
