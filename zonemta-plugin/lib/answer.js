'use strict';

// From an answer of the collector to the verdict about the batch that it answers.

// taken: free the batch. refused: never send it again. tooLarge: send smaller parts. again: repeat at once, once.
// later: keep the batch and wait.
const VERDICTS = Object.freeze({
    TAKEN: 'taken',
    REFUSED: 'refused',
    TOO_LARGE: 'tooLarge',
    AGAIN: 'again',
    LATER: 'later'
});
// The start of the collector's body of a 202. A proxy may drop headers that it does not know, but not the body.
const TAKEN_BODY = /^\s*\{\s*"accepted"\s*:\s*\d/;
const BROKEN_CONNECTION = ['ECONNRESET', 'EPIPE'];
const MOST_NAMED_WAIT_MS = 300000;
// The collector judges by the heartbeats whether older events are still to come, so tries are at most 30 s apart.
const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 30000;
const LEAST_NAMED_WAIT_MS = 1000;

/**
 * The meaning of an answer: its verdict, the kind of trouble for the log, and the wait (ms) that the collector asked
 * for, else null.
 * @typedef {{verdict: string, kind: string, wait: number | null}} Answer
 */

/**
 * Returns a Retry-After header (RFC 9110, section 10.2.3: seconds or an HTTP date) in milliseconds, at most five
 * minutes; null without a valid one. The date's third form (asctime) has no zone, and means GMT.
 * @param {string | string[] | undefined} value
 * @param {number} now epoch milliseconds
 */
function readRetryAfter(value, now) {
    const text = typeof value === 'string' ? value.trim() : '';
    const wait = /^\d{1,10}$/.test(text)
        ? Number(text) * 1000
        : /^[A-Z][a-z]{2}/.test(text)
          ? Date.parse(text.endsWith('GMT') ? text : `${text} GMT`) - now
          : NaN;
    return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MOST_NAMED_WAIT_MS);
}

/**
 * @param {import('./exchange').Outcome} outcome one without an answer
 * @returns {Answer}
 */
function readError(outcome) {
    const kind = outcome.error || 'error';
    // A server may close a kept connection at the moment of a request. That is not a fault of the server.
    if (outcome.isReused && BROKEN_CONNECTION.includes(kind)) {
        return { verdict: VERDICTS.AGAIN, kind, wait: 0 };
    }
    return { verdict: VERDICTS.LATER, kind, wait: null };
}

/**
 * Returns the meaning of `outcome` for the batch.
 * @param {import('./exchange').Outcome} outcome
 * @param {number} now epoch milliseconds
 * @returns {Answer}
 */
function readAnswer(outcome, now) {
    const { status, headers = {}, body = '' } = outcome;
    if (!status) {
        return readError(outcome);
    }
    const kind = `status ${status}`;
    // A proxy may answer 400 or 413 too, because of a broken request or its own limits. The events may be good.
    // Another server may answer 202: the wrong URL, a portal, a gateway that queues. The events would be lost.
    const isCollectors = Boolean(headers['duckwatch-version']);
    if (status === 202) {
        return isCollectors || TAKEN_BODY.test(body)
            ? { verdict: VERDICTS.TAKEN, kind, wait: null }
            : { verdict: VERDICTS.LATER, kind: 'status 202 of another server', wait: null };
    }
    // The collector sets this header if the request was broken in transit: it may accept the same events next time.
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
 * Returns how long to wait (ms) after `answer`, with `failures` failures in a row before it. `random` is in
 * [0, 1): it spreads processes that failed at the same time.
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
