// Draining and enabling, the two things that the console can do: in the words of every dialog about them, and the request that does it.

import * as api from './api.js';

/** @import { Endpoint } from './types.d.ts' */
/** @typedef {'drain' | 'enable'} Verb */

export const VERBS = /** @type {const} */ ({
  drain: {
    title: 'Drain',
    done: 'drained',
    look: 'danger',
    text: 'New requests go to the other endpoints of the pool. Those under way end as they began. It holds until Enable, over reloads and hot restarts; a node that is started anew has forgotten it.',
  },
  enable: {
    title: 'Enable',
    done: 'enabled',
    look: 'primary',
    text: 'Requests come again, with a slow start, as soon as the probes say that all is well.',
  },
});

/** What makes sense for an endpoint. @returns {Verb} */
export function verbFor(/** @type {Endpoint} */ { state }) {
  return state === 'draining' ? 'enable' : 'drain';
}

/**
 * Rejects with an ApiError.
 * @param {Verb} verb
 * @param {string} id
 */
export function move(verb, id) {
  return api.post(`/api/v1/endpoints/${encodeURIComponent(id)}/${verb}`);
}
