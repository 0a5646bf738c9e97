'use strict';

// The time that identifies an event: epoch ms. No two events of one process have the same time and name.

const { performance } = require('perf_hooks');

// If the clock is set back by less than this, times stay at the last one until the clock has reached it again.
// If it is set back by more, it was wrong before: the collector would have to refuse times that stay ahead.
const WAIT_OUT_MS = 60000;
const NAMES_KEPT = 10000;

class Clock {
    constructor(now = Date.now) {
        this.now = now;
        this.last = 0;
        /** @type {Set<string>} */
        this.names = new Set();
    }

    /**
     * Returns the time of the event called `name`: now, or a millisecond later if this millisecond already has an event
     * of that name.
     * @param {string} name
     */
    stamp(name) {
        const now = this.now();
        if (now > this.last || now < this.last - WAIT_OUT_MS) {
            this.turn(now);
        } else if (this.names.has(name) || this.names.size >= NAMES_KEPT) {
            this.turn(this.last + 1);
        }
        this.names.add(name);
        return this.last;
    }

    /** @param {number} time */
    turn(time) {
        this.last = time;
        this.names.clear();
    }
}

/** Returns a monotonic time in milliseconds, for measuring durations. */
function elapsed() {
    return performance.now();
}

module.exports = { Clock, elapsed };
