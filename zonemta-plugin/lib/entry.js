'use strict';

// From a log entry to a line of the spool: a plain copy, whatever values a plugin has put into the entry.

/** @typedef {{values: number, characters: number}} Limits */

// A usual entry has some 20 values and 330 characters. The second limits are for an entry whose line is too long.
const LIMITS = [
    { values: 5000, characters: 512 * 1024 },
    { values: 500, characters: 32 * 1024 }
];
const LINE_BYTES = 1024 * 1024;
const DEPTH = 8;
const IDENTITY = ['id', 'seq', 'action', 'defcount', 'bounceType'];

/**
 * Returns true for a queue poll: it is not an event of mail, and may come every second.
 * @param {any} entry
 */
function isIgnored(entry) {
    try {
        return entry.action === 'QUEUE_POLL';
    } catch (err) {
        return false;
    }
}

class Copy {
    /** @param {Limits} limits */
    constructor(limits) {
        this.values = limits.values;
        this.characters = limits.characters;
        /** @type {object[]} */
        this.parents = [];
    }

    /** @param {string} value */
    text(value) {
        const kept = value.length > this.characters ? value.slice(0, this.characters) : value;
        this.characters -= kept.length;
        return kept;
    }

    /**
     * @param {any} value
     * @returns {unknown}
     */
    of(value) {
        this.values -= 1;
        switch (typeof value) {
            case 'string':
                return this.text(value);
            case 'number':
            case 'boolean':
                return value;
            case 'bigint':
                return Number.isSafeInteger(Number(value)) ? Number(value) : this.text(value.toString());
            case 'object':
                return value === null ? null : this.ofObject(value);
            default:
                return undefined;
        }
    }

    /**
     * @param {any} value
     * @returns {unknown}
     */
    ofObject(value) {
        if (value instanceof Date) {
            return Number.isNaN(value.getTime()) ? null : value.toISOString();
        }
        if (value instanceof Uint8Array) {
            return this.text(
                Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, this.characters)).toString()
            );
        }
        if (value instanceof Error) {
            return this.text(String(value.message));
        }
        if (this.parents.includes(value)) {
            return '[circular]';
        }
        if (this.parents.length >= DEPTH) {
            return '[too deep]';
        }
        // For example, an ObjectId becomes text by its toJSON.
        if (this.parents.length && typeof value.toJSON === 'function') {
            return this.of(value.toJSON());
        }
        this.parents.push(value);
        const copy = this.members(value);
        this.parents.pop();
        return copy;
    }

    /** @param {any} value */
    members(value) {
        if (value instanceof Map || value instanceof Set) {
            value = Array.from(value);
        }
        const isList = Array.isArray(value);
        // Without a prototype, a member named `__proto__` is an ordinary member.
        /** @type {any} */
        const copy = isList ? [] : Object.create(null);
        for (const key of Object.keys(value)) {
            if (this.values <= 0) {
                break;
            }
            const member = this.member(value, key);
            if (isList) {
                copy.push(member);
            } else {
                copy[this.text(key)] = member;
            }
        }
        return copy;
    }

    /**
     * @param {any} value
     * @param {string} key
     */
    member(value, key) {
        const depth = this.parents.length;
        try {
            return this.of(value[key]);
        } catch (err) {
            this.parents.length = depth;
            return '[unreadable]';
        }
    }
}

/**
 * Returns the few fields that identify an event, for an entry that cannot be copied; null if they cannot be read.
 * @param {any} entry
 */
function reduce(entry) {
    const reduced = Object.create(null);
    for (const key of IDENTITY) {
        try {
            const value = entry[key];
            if (value !== undefined && value !== null) {
                reduced[key] = typeof value === 'number' ? value : String(value).slice(0, 1000);
            }
        } catch (err) {
            // Only this field is lost.
        }
    }
    return reduced.action ? Object.assign(reduced, { reduced: true }) : null;
}

/**
 * @param {unknown} entry
 * @param {Limits} limits
 */
function copyWithin(entry, limits) {
    try {
        return entry && typeof entry === 'object' ? new Copy(limits).of(entry) : null;
    } catch (err) {
        return null;
    }
}

/** @param {any} copy */
function nameOf(copy) {
    return JSON.stringify(IDENTITY.map(key => copy[key]));
}

/**
 * What the plugin adds to an entry: the stamp, and the number of the attempt that it ends (null: none, or unknown).
 * @typedef {{time: number, attempt: number | null}} Added
 */

/**
 * @param {any} copy
 * @param {string} context
 * @param {Added} added
 */
function write(copy, context, { time, attempt }) {
    if (attempt !== null && copy.defcount === undefined) {
        copy.defcount = attempt;
    }
    return `{"time":${time},"context":${JSON.stringify(context)},"entry":${JSON.stringify(copy)}}\n`;
}

/**
 * Returns the spool's line for `entry`, with a time from `clock` and its number of `attempts`; null if nothing of
 * the entry can be kept. Does not change the entry, and does not throw because of it.
 * @param {unknown} entry plugins may have changed it in any way
 * @param {string} context
 * @param {import('./clock').Clock} clock
 * @param {import('./attempts').Attempts} attempts
 */
function keep(entry, context, clock, attempts) {
    /** @param {any} copy */
    const addedTo = copy => ({ time: clock.stamp(nameOf(copy)), attempt: attempts.end(copy) });
    /** @type {Added | null} */
    let added = null;
    for (const limits of LIMITS) {
        const copy = copyWithin(entry, limits);
        if (copy === null) {
            break;
        }
        added = added || addedTo(copy);
        const line = write(copy, context, added);
        if (line.length * 3 <= LINE_BYTES || Buffer.byteLength(line) <= LINE_BYTES) {
            return line;
        }
    }
    const reduced = reduce(entry);
    return reduced && write(reduced, context, added || addedTo(reduced));
}

module.exports = { isIgnored, keep };
