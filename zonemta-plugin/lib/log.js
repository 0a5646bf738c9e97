'use strict';

// The plugin's lines in ZoneMTA's log, limited in number, and the guard around asynchronous code.

const PREFIX = `Duckwatch/${process.pid}`;

const KEYS_KEPT = 1000;

/**
 * @typedef {'info' | 'error'} Level
 * @typedef {(prefix: string, format: string, ...args: unknown[]) => void} Write
 * @typedef {Partial<Record<Level, Write>> | undefined} Logger ZoneMTA's, if it gives the plugin one.
 */

class Log {
    /** @param {Logger} logger */
    constructor(logger) {
        this.logger = logger;
        /** @type {Map<string, number>} */
        this.said = new Map();
    }

    /**
     * @param {Level} level
     * @param {string} format
     * @param {unknown[]} args
     */
    say(level, format, args) {
        try {
            const write = this.logger && (this.logger[level] || this.logger.info);
            if (typeof write === 'function') {
                write.call(this.logger, PREFIX, format, ...args);
            }
        } catch (err) {
            // A failing log must not stop the plugin.
        }
    }

    /**
     * @param {string} format
     * @param {unknown[]} args
     */
    info(format, ...args) {
        this.say('info', format, args);
    }

    /**
     * @param {string} format
     * @param {unknown[]} args
     */
    error(format, ...args) {
        this.say('error', format, args);
    }

    /**
     * Logs a line once until `forget(key)`. Returns whether it was logged.
     * @param {string} key
     * @param {Level} level
     * @param {string} format
     * @param {unknown[]} args
     */
    once(key, level, format, ...args) {
        return this.seldom(key, Infinity, level, format, ...args);
    }

    /**
     * Logs a line at most once in `everyMs`. Returns whether it was logged.
     * @param {string} key
     * @param {number} everyMs
     * @param {Level} level
     * @param {string} format
     * @param {unknown[]} args
     */
    seldom(key, everyMs, level, format, ...args) {
        const last = this.said.get(key);
        if (last !== undefined && Math.abs(Date.now() - last) < everyMs) {
            return false;
        }
        if (this.said.size >= KEYS_KEPT) {
            this.said.clear();
        }
        this.said.set(key, Date.now());
        this.say(level, format, args);
        return true;
    }

    /** @param {string} key */
    forget(key) {
        this.said.delete(key);
    }
}

/**
 * Returns `action` as a function that never throws, for timers, events and callbacks: an exception there ends a process
 * that delivers mail.
 * @template {any[]} A
 * @template R
 * @param {Log} log
 * @param {(...args: A) => R} action
 * @returns {(...args: A) => R | undefined}
 */
function guard(log, action) {
    return (...args) => {
        try {
            return action(...args);
        } catch (err) {
            log.once(`guard ${err && err.message}`, 'error', 'Unexpected: %s', (err && err.stack) || err);
            return undefined;
        }
    };
}

module.exports = { Log, guard };
