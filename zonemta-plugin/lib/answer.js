'use strict';

// What each answer of the collector means for the batch that it answers.

// taken: free it. refused: never again. tooLarge: in smaller parts. again: at once, once more. later: keep it, and
// wait.
const VERDICTS = Object.freeze({
    TAKEN: 'taken',
    REFUSED: 'refused',
    TOO_LARGE: 'tooLarge',
    AGAIN: 'again',
    LATER: 'later'
});
const BROKEN_CONNECTION = ['ECONNRESET', 'EPIPE'];
const MOST_NAMED_WAIT_MS = 300000;
// Others judge by the plugin's reports whether something older is still to come, so its own tries are at most 30 s
// apart.
const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 30000;
const LEAST_NAMED_WAIT_MS = 1000;

/**
 * What an answer means: its verdict, the kind of trouble for the log, and the wait in milliseconds where the collector
 * named one, else null.
 * @typedef {{verdict: string, kind: string, wait: number | null}} Answer
 */

/**
 * A Retry-After header (RFC 9110, section 10.2.3: seconds or an HTTP date) as milliseconds, at most five minutes; null
 * without a sensible one.
 * @param {string | string[] | undefined} value
 * @param {number} now epoch milliseconds
 */
function readRetryAfter(value, now) {
    const text = typeof value === 'string' ? value.trim() : '';
    const wait = /^\d{1,10}$/.test(text)
        ? Number(text) * 1000
        : /^[A-Z][a-z]{2}/.test(text)
          ? Date.parse(text) - now
          : NaN;
    return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MOST_NAMED_WAIT_MS);
}

/**
 * @param {import('./exchange').Outcome} outcome one without an answer
 * @returns {Answer}
 */
function readError(outcome) {
    const kind = outcome.error || 'error';
    // A server may close a kept connection just as a request goes out on it: that says nothing of the server's health.
    if (outcome.isReused && BROKEN_CONNECTION.includes(kind)) {
        return { verdict: VERDICTS.AGAIN, kind, wait: 0 };
    }
    return { verdict: VERDICTS.LATER, kind, wait: null };
}

/**
 * What `outcome` means for the batch.
 * @param {import('./exchange').Outcome} outcome
 * @param {number} now epoch milliseconds
 * @returns {Answer}
 */
function readAnswer(outcome, now) {
    const { status, headers = {} } = outcome;
    if (!status) {
        return readError(outcome);
    }
    const kind = `status ${status}`;
    if (status === 202) {
        return { verdict: VERDICTS.TAKEN, kind, wait: null };
    }
    // A proxy answers 400 and 413 too, of the transport or by limits of its own: that says nothing of the events.
    const isCollectors = Boolean(headers['duckwatch-version']);
    // The collector says so of a request that was broken on its way: it would take the same events another time.
    if (status === 400 && isCollectors && headers['duckwatch-fault'] !== 'transport') {
        return { verdict: VERDICTS.REFUSED, kind, wait: null };
    }
    if (status === 413 && isCollectors) {
        return { verdict: VERDICTS.TOO_LARGE, kind, wait: null };
    }
    const isNamed = status === 429 || status === 503;
    return { verdict: VERDICTS.LATER, kind, wait: isNamed ? readRetryAfter(headers['retry-after'], now) : null };
}

/**
 * How long to wait (ms) after `answer`, when `failures` came before it in a row; `random` is in [0, 1). Processes that
 * failed together come apart.
 * @param {Answer} answer
 * @param {number} failures
 * @param {number} random
 */
function waitAfter(answer, failures, random) {
    if (answer.wait !== null) {
        return Math.max(answer.wait, LEAST_NAMED_WAIT_MS) + random * LEAST_NAMED_WAIT_MS;
    }
    return Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

module.exports = { readAnswer, readRetryAfter, waitAfter, BROKEN_CONNECTION, VERDICTS };
