// Questions to the admin API of the node that this page came from. Same origin, the session's cookie with it; a refusal is an
// Error with the API's stable code. Who has no session (any more) is sent to the login page.

const TIMEOUT_MS = 10_000;

/** @typedef {Error & { status: number, code: string }} ApiError status 0 = no answer */

/**
 * @param {string} method
 * @param {string} path
 */
async function ask(method, path) {
  let response;
  try {
    response = await fetch(path, { method, cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    throw failure(
      0,
      'no_answer',
      isLate ? `the node did not answer within ${TIMEOUT_MS / 1000} s` : 'the node does not answer',
    );
  }
  if (response.status === 401) toLogin();
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw failure(
      response.status,
      body?.error?.code ?? 'failed',
      body?.error?.message ?? `the node answered ${response.status}`,
    );
  }
  return body;
}

/**
 * @param {number} status
 * @param {string} code
 * @param {string} message
 * @returns {ApiError}
 */
function failure(status, code, message) {
  return Object.assign(new Error(message), { status, code });
}

/** Opening the console without a session shows the login page there, and this very view after it. */
export function toLogin() {
  location.reload();
}

/** The answer's JSON. Rejects with an {@link ApiError}. */
export function get(/** @type {string} */ path) {
  return ask('GET', path);
}

/** As `get`; only POSTs change anything. */
export function post(/** @type {string} */ path) {
  return ask('POST', path);
}
