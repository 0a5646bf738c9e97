'use strict';

// The stamp that identifies an event: epoch milliseconds, such that no two events of one process share stamp and name.

const { performance } = require('perf_hooks');

// A clock set back by less than this is waited out, so that the stamps of a process never go backwards. One set back by
// more was wrong before; to wait it out would stamp events with times that the collector must refuse.
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
     * The time of the event called `name`: now, or a millisecond later when this millisecond has one of that name
     * already.
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

/** Milliseconds that only go forward, for measuring how long something took. */
function elapsed() {
    return performance.now();
}

module.exports = { Clock, elapsed };
