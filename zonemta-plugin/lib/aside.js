'use strict';

// Events that the collector will never accept. They are kept in a file beside the spools, one a line, for the operator.

const fs = require('fs');
const path = require('path');

const FILE = 'duckwatch.rejected.jsonl';
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Appends all of `text` to a file of `size` bytes, or nothing: on a full disk no half line may stay, because the next
 * line would be joined to it.
 * @param {number} fd
 * @param {string} text
 * @param {number} size
 */
function append(fd, text, size) {
    try {
        fs.writeFileSync(fd, text);
    } catch (err) {
        fs.ftruncateSync(fd, size);
        throw err;
    }
}

class Aside {
    /** @param {{root: string | null}} spool the file is in its root */
    constructor(spool) {
        this.spool = spool;
    }

    /**
     * Appends the lines of `batch`, each with the cluster and host of `source`, so that the file can be posted
     * unchanged.
     * Returns the file, or null when it is full or cannot be written. Never throws.
     * @param {{cluster: string, host: string}} source
     * @param {{lines: string[]}} batch
     */
    put(source, batch) {
        if (!this.spool.root) {
            return null;
        }
        const file = path.join(this.spool.root, FILE);
        const origin = `{"cluster":${JSON.stringify(source.cluster)},"host":${JSON.stringify(source.host)},`;
        const text = batch.lines.map(line => `${origin}${line.slice(1)}\n`).join('');
        try {
            const fd = fs.openSync(file, 'a', 0o600);
            try {
                const { size } = fs.fstatSync(fd);
                if (size + text.length > MOST_BYTES) {
                    return null;
                }
                append(fd, text, size);
            } finally {
                fs.closeSync(fd);
            }
            return file;
        } catch (err) {
            return null;
        }
    }
}

module.exports = { Aside };
