'use strict';

// Sends the spools, one request at a time: the own and the claimed ones in turn, each in its order, at the collector's
// speed.

const { readAnswer, waitAfter, BROKEN_CONNECTION, VERDICTS } = require('./answer');
const { elapsed } = require('./clock');
const { guard } = require('./log');
const { writeBody } = require('./report');

const HEARTBEAT_MS = 30000;
// Housekeeping runs every few seconds. A heartbeat that would be late at its next run is sent now.
const HEARTBEAT_SLACK_MS = 2500;
const RELAPSE_MS = 60000;

/**
 * @typedef {import('./answer').Answer} Answer
 * @typedef {import('./spool').Batch} Batch
 * @typedef {import('./spool').Source} Source
 *
 * The content of one request: a batch of a source, or its heartbeat alone.
 * @typedef {{source: Source, batch: Batch | null, isRepeated?: boolean}} Parcel
 */

class Sender {
    /**
     * @param {object} parts
     * @param {import('./settings').Settings} parts.settings
     * @param {import('./spool').Spool} parts.spool
     * @param {import('./orphans').Orphans} parts.orphans
     * @param {import('./exchange').Exchange} parts.exchange
     * @param {import('./aside').Aside} parts.aside
     * @param {import('./log').Log} parts.log
     * @param {string} parts.version
     */
    constructor({ settings, spool, orphans, exchange, aside, log, version }) {
        this.settings = settings;
        this.spool = spool;
        this.orphans = orphans;
        this.exchange = exchange;
        this.aside = aside;
        this.log = log;
        this.version = version;
        this.isBusy = false;
        /** @type {number | null} */
        this.ripeAt = null;
        this.notBefore = 0;
        this.failures = 0;
        this.heardAt = -Infinity;
        this.turn = 0;
        /** @type {Map<string, number>} */
        this.limits = new Map();
        /** @type {Set<string>} */
        this.troubles = new Set();
        /** @type {{due: number, handle: NodeJS.Timeout} | null} */
        this.timer = null;
        this.run = guard(log, () => this.next());
    }

    /** Called when the hook has appended an event. */
    appended() {
        if (this.ripeAt === null) {
            this.ripeAt = elapsed() + this.settings.batchAge;
            this.wakeAt(this.ripeAt);
        }
        if (this.spool.events >= this.settings.batchEvents && this.ripeAt > 0) {
            this.ripeAt = 0;
            this.wakeAt(0);
        }
    }

    /**
     * Looks for events that no append has announced: of a claimed spool, or a new spool. Called every few seconds.
     */
    wake() {
        const left = this.reading(() => this.spool.remaining(null));
        if (left && left.bytes === 0) {
            this.spool.events = 0;
        } else if (this.ripeAt === null) {
            this.ripeAt = 0;
        }
        this.wakeAt(0);
    }

    /** @param {number} time on the clock of `elapsed` */
    wakeAt(time) {
        const due = Math.max(time, this.notBefore, elapsed());
        if (this.isBusy || !this.settings.url || (this.timer && this.timer.due <= due)) {
            return;
        }
        this.clearTimer();
        // Use a timer even when due now, because the hook must return first.
        const handle = setTimeout(this.run, Math.ceil(due - elapsed()));
        handle.unref();
        this.timer = { due, handle };
    }

    clearTimer() {
        if (this.timer) {
            clearTimeout(this.timer.handle);
            this.timer = null;
        }
    }

    next() {
        this.clearTimer();
        if (this.isBusy) {
            return;
        }
        if (elapsed() < this.notBefore) {
            this.wakeAt(this.notBefore);
            return;
        }
        const parcel = this.pick();
        if (parcel) {
            this.send(parcel);
        } else if (this.ripeAt !== null) {
            this.wakeAt(this.ripeAt);
        }
    }

    /**
     * Returns what to send next: a batch, the last heartbeat of a claimed spool, a due heartbeat; null for nothing.
     * @returns {Parcel | null}
     */
    pick() {
        /** @type {Source[]} */
        const sources = [this.spool, ...this.orphans.list];
        for (let i = 1; i <= sources.length; i += 1) {
            const at = (this.turn + i) % sources.length;
            const batch = this.batchOf(sources[at]);
            if (batch) {
                this.turn = at;
                return { source: sources[at], batch };
            }
        }
        const leaving = this.orphans.list.find(orphan => orphan.isFarewellDue);
        if (leaving) {
            return { source: leaving, batch: null };
        }
        const isDue = elapsed() - this.heardAt > HEARTBEAT_MS - HEARTBEAT_SLACK_MS;
        return isDue ? { source: this.spool, batch: null } : null;
    }

    /** @param {Source} source */
    batchOf(source) {
        const isOwn = source === this.spool;
        if (isOwn && (this.ripeAt === null || elapsed() < this.ripeAt)) {
            return null;
        }
        const batch = this.reading(() => source.take(this.limitOf(source), this.settings.batchBytes));
        if (isOwn) {
            this.ripen(batch);
        }
        return batch;
    }

    /**
     * Sets the time at which the own spool's next batch is due, after `batch`.
     * @param {Batch | null} batch
     */
    ripen(batch) {
        const rest = batch ? this.spool.events - batch.lines.length : 0;
        const isFull = rest >= this.settings.batchEvents || (rest > 0 && this.limits.has(this.spool.id));
        this.ripeAt = rest <= 0 ? null : isFull ? 0 : elapsed() + this.settings.batchAge;
    }

    /**
     * Returns the result of `action`, which reads a spool. If it fails, logs the error and returns null.
     * @template T
     * @param {() => T} action
     */
    reading(action) {
        try {
            return action();
        } catch (err) {
            this.log.seldom('read', 60000, 'error', 'A spool could not be read (%s)', err.code || err.message);
            return null;
        }
    }

    /** @param {Source} source */
    limitOf(source) {
        return this.limits.get(source.id) || this.settings.batchEvents;
    }

    /** @param {Parcel} parcel */
    send(parcel) {
        const body = this.reading(() => writeBody(parcel.source, parcel.batch, this.version));
        if (body === null) {
            this.release(parcel);
            return;
        }
        this.isBusy = true;
        this.exchange.post(
            body,
            guard(this.log, (/** @type {import('./exchange').Outcome} */ outcome) => this.settle(parcel, outcome))
        );
    }

    /**
     * @param {Parcel} parcel
     * @param {import('./exchange').Outcome} outcome
     */
    settle(parcel, outcome) {
        this.isBusy = false;
        const answer = readAnswer(outcome, Date.now());
        switch (answer.verdict) {
            case VERDICTS.TAKEN:
                this.taken(parcel);
                break;
            case VERDICTS.REFUSED:
                this.refused(parcel, answer);
                break;
            case VERDICTS.TOO_LARGE:
                this.tooLarge(parcel, answer);
                break;
            case VERDICTS.AGAIN:
                this.again(parcel, answer);
                break;
            default:
                this.later(parcel, answer);
        }
        this.wakeAt(0);
    }

    /** @param {Parcel} parcel */
    taken({ source, batch }) {
        if (batch) {
            source.free(batch);
            this.grow(source);
        }
        if (source === this.spool) {
            this.heardAt = elapsed();
        } else {
            source.isReported = source.isSent;
        }
        this.failures = 0;
        this.notBefore = 0;
        if (this.troubles.size) {
            this.troubles.clear();
            this.log.info('The collector takes events again');
        }
    }

    /**
     * Doubles the size of the next batch, after batches had to be smaller.
     * @param {Source} source
     */
    grow(source) {
        const limit = this.limitOf(source) * 2;
        if (limit >= this.settings.batchEvents) {
            this.limits.delete(source.id);
        } else {
            this.limits.set(source.id, limit);
        }
    }

    /**
     * @param {Parcel} parcel
     * @param {Answer} answer
     */
    refused(parcel, answer) {
        const { source, batch } = parcel;
        if (batch) {
            this.setAside(source, batch, answer);
        } else {
            this.later(parcel, answer);
        }
    }

    /**
     * @param {Source} source
     * @param {Batch} batch
     * @param {Answer} answer
     */
    setAside(source, batch, answer) {
        const file = this.aside.put(source, batch);
        source.free(batch);
        source.lose(batch.lines.length);
        this.log.once(
            `aside ${answer.kind}`,
            'error',
            'The collector refuses events (%s); they are set aside in %s and count as dropped',
            answer.kind,
            file || 'no file: it is full, or cannot be written'
        );
        this.ripeNow(source);
    }

    /**
     * @param {Parcel} parcel
     * @param {Answer} answer
     */
    tooLarge(parcel, answer) {
        const { source, batch } = parcel;
        if (!batch) {
            this.later(parcel, answer);
        } else if (batch.lines.length === 1) {
            this.setAside(source, batch, answer);
        } else {
            source.keep(batch);
            this.limits.set(source.id, Math.floor(batch.lines.length / 2));
            this.ripeNow(source);
        }
    }

    /**
     * @param {Parcel} parcel
     * @param {Answer} answer
     */
    again(parcel, answer) {
        if (parcel.isRepeated) {
            this.later(parcel, answer);
        } else {
            this.send({ ...parcel, isRepeated: true });
        }
    }

    /**
     * @param {Parcel} parcel
     * @param {Answer} answer
     */
    later(parcel, answer) {
        this.release(parcel);
        this.notBefore = elapsed() + waitAfter(answer, this.failures, Math.random());
        this.failures += 1;
        this.complain(answer);
        // A server may cut the connection instead of answering 413 if it does not read a body that is too large.
        if (parcel.batch && parcel.batch.lines.length > 1 && BROKEN_CONNECTION.includes(answer.kind)) {
            this.limits.set(parcel.source.id, Math.floor(parcel.batch.lines.length / 2));
        }
    }

    /** @param {Parcel} parcel */
    release({ source, batch }) {
        if (batch) {
            source.keep(batch);
            this.ripeNow(source);
        }
    }

    /** @param {Source} source */
    ripeNow(source) {
        if (source === this.spool) {
            this.ripeAt = 0;
        }
    }

    /**
     * Logs each kind of trouble once in an outage, and not again soon if it returns.
     * @param {Answer} answer
     */
    complain(answer) {
        if (!this.troubles.has(answer.kind)) {
            this.troubles.add(answer.kind);
            this.log.seldom(
                `trouble ${answer.kind}`,
                RELAPSE_MS,
                'error',
                'The collector does not take events (%s); they wait in the spool',
                answer.kind
            );
        }
    }
}

module.exports = { Sender };
