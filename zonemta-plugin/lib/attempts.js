'use strict';

// The number of the attempt that a log entry ends. ZoneMTA writes it into DEFERRED alone, as `defcount`. For ACCEPTED
// and REJECTED it is counted from the delivery, which the hook `sender:fetch` shows in the process that will log them.

const DELIVERIES_KEPT = 10000;
const NAME_CHARACTERS = 200;
const ENDS = ['ACCEPTED', 'DEFERRED', 'REJECTED'];

/**
 * What names a delivery (one recipient of a message); null for what is not ZoneMTA's spelling.
 * @param {any} named a delivery or a log entry
 */
function nameOf({ id, seq }) {
    const isNamed = id && typeof id === 'string' && typeof seq === 'string';
    return isNamed && id.length + seq.length <= NAME_CHARACTERS ? `${id}.${seq}` : null;
}

class Attempts {
    constructor(limit = DELIVERIES_KEPT) {
        this.limit = limit;
        /** @type {Map<string, number>} */
        this.ongoing = new Map();
    }

    /**
     * Takes note of a delivery whose next attempt begins. Past the limit the one that began first is forgotten: not
     * every delivery is logged (a plugin may mark it as suppressed).
     * @param {any} delivery as it came from the queue; may throw what its getters throw
     */
    begin(delivery) {
        const name = nameOf(delivery);
        // ZoneMTA's own reading of the count (lib/sender.js, handleResponseError).
        const deferred = (delivery._deferred && delivery._deferred.count) || 0;
        if (name === null || !Number.isSafeInteger(deferred) || deferred < 0) {
            return;
        }
        this.ongoing.delete(name);
        this.ongoing.set(name, deferred + 1);
        for (const oldest of this.ongoing.keys()) {
            if (this.ongoing.size <= this.limit) {
                break;
            }
            this.ongoing.delete(oldest);
        }
    }

    /**
     * The number of the attempt that ends with `entry`, counted from 1; null when it is not known, or the entry ends
     * none.
     * @param {any} entry a plain copy
     * @returns {number | null}
     */
    end(entry) {
        const name = ENDS.includes(entry.action) ? nameOf(entry) : null;
        const attempt = name === null ? undefined : this.ongoing.get(name);
        if (name === null || attempt === undefined) {
            return null;
        }
        this.ongoing.delete(name);
        return attempt;
    }
}

module.exports = { Attempts };
