'use strict';

// Checks the plugin's section of ZoneMTA's configuration. A wrong setting is named in the log and its default used.

const fs = require('fs');
const os = require('os');
const path = require('path');

const DEFAULT_URL = 'http://127.0.0.1:9626/api/events/ingest';
const DEFAULT_SPOOL = '/var/spool/duckwatch';

/**
 * The settings as the plugin uses them. `url` is null when no events can be sent. `roots` are the folders that may hold
 * spools, the best first. Times are in milliseconds.
 * @typedef {object} Settings
 * @property {URL | null} url
 * @property {string | null} token
 * @property {string | null} tokenFile
 * @property {string} cluster
 * @property {string} host
 * @property {string[]} roots
 * @property {number} maxSpoolBytes
 * @property {number} batchEvents
 * @property {number} batchBytes
 * @property {number} batchAge
 * @property {number} timeout
 * @property {number} deadAfter
 *
 * @typedef {Record<string, unknown>} Config The plugin's section of ZoneMTA's configuration, unchecked.
 * @typedef {[name: 'maxSpoolBytes' | 'batchEvents' | 'batchBytes' | 'batchAge' | 'timeout' | 'deadAfter',
 *     byDefault: number, least: number, most: number]} NumberRule
 */

/** @type {NumberRule[]} */
const NUMBERS = [
    ['maxSpoolBytes', 1024 * 1024 * 1024, 64 * 1024, Number.MAX_SAFE_INTEGER],
    ['batchEvents', 500, 1, 10000],
    ['batchBytes', 1024 * 1024, 1024, 8 * 1024 * 1024],
    ['batchAge', 200, 0, 60000],
    ['timeout', 15000, 100, 300000],
    ['deadAfter', 60000, 600, 3600000]
];
const TEXTS = ['url', 'token', 'tokenFile', 'cluster', 'host', 'spool'];
// What an HTTP header can hold, and the collector accepts as a token.
const TOKEN = /^[!-~]+$/;
// ZoneMTA's own keys in a plugin's section.
const FOREIGN = ['enabled', 'ordering'];

/**
 * @param {Config} config
 * @param {NumberRule} rule
 * @param {string[]} faults gets a sentence when the value is wrong
 */
function readNumber(config, [name, byDefault, least, most], faults) {
    const value = config[name];
    if (value === undefined || value === null) {
        return byDefault;
    }
    const number = typeof value === 'string' && value.trim() ? Number(value) : value;
    if (typeof number !== 'number' || !(number >= least && number <= most)) {
        faults.push(`Setting ${name} must be a number from ${least} to ${most}; ${byDefault} is taken`);
        return byDefault;
    }
    return Math.floor(number);
}

/**
 * @param {Config} config
 * @param {string} name
 * @param {string[]} faults gets a sentence when the value is wrong
 */
function readText(config, name, faults) {
    const value = config[name];
    if (value === undefined || value === null || value === '') {
        return null;
    }
    if (typeof value !== 'string') {
        faults.push(`Setting ${name} must be text; it is ignored`);
        return null;
    }
    return value;
}

/**
 * @param {string | null} text
 * @param {string[]} faults gets a sentence when the value is wrong
 */
function checkToken(text, faults) {
    const token = text === null ? '' : text.trim();
    if (text === null || TOKEN.test(token)) {
        return token || null;
    }
    faults.push('Setting token must be printable ASCII without spaces; it is ignored');
    return null;
}

/**
 * @param {string | null} text
 * @param {string[]} faults gets a sentence when the value is wrong
 */
function readUrl(text, faults) {
    try {
        const url = new URL(text || DEFAULT_URL);
        if (url.protocol === 'http:' || url.protocol === 'https:') {
            return url;
        }
    } catch (err) {
        // The fault below replaces the error's text, which would quote the URL and a token in it.
    }
    faults.push('Setting url must be an http or https URL; events are spooled and not sent');
    return null;
}

/**
 * Returns the folders that may hold spools, the best first. The one in the system's temporary folder is only for a
 * try-out.
 * @param {string | null} spool
 */
function spoolRoots(spool) {
    if (spool) {
        return [path.resolve(spool)];
    }
    const user = typeof process.getuid === 'function' ? process.getuid() : 'user';
    return [DEFAULT_SPOOL, path.join(os.tmpdir(), `duckwatch-spool-${user}`)];
}

/**
 * Returns the bearer token, null if there is none or it cannot be read. The file is read each time, because the token
 * may have been renewed.
 * @param {Settings} settings
 * @param {import('./log').Log} log
 */
function readToken(settings, log) {
    if (settings.token || !settings.tokenFile) {
        return settings.token;
    }
    try {
        const token = fs.readFileSync(settings.tokenFile, 'utf8').trim();
        if (TOKEN.test(token)) {
            return token;
        }
        log.once('token text', 'error', 'The token file must hold one token: printable ASCII without spaces');
        return null;
    } catch (err) {
        log.once('token', 'error', 'The token file cannot be read (%s)', err.code);
        return null;
    }
}

/**
 * Returns the checked settings and the faults: sentences for the log that never quote a value.
 * @param {Config} config
 * @returns {{settings: Readonly<Settings>, faults: string[]}}
 */
function readSettings(config) {
    /** @type {string[]} */
    const faults = [];
    const texts = Object.fromEntries(TEXTS.map(name => [name, readText(config, name, faults)]));
    const numbers = /** @type {Record<NumberRule[0], number>} */ (
        Object.fromEntries(NUMBERS.map(rule => [rule[0], readNumber(config, rule, faults)]))
    );
    const known = [...TEXTS, ...Object.keys(numbers), ...FOREIGN];
    for (const name of Object.keys(config).filter(key => !known.includes(key))) {
        faults.push(`Setting ${name} is unknown; it is ignored`);
    }
    const settings = {
        ...numbers,
        url: readUrl(texts.url, faults),
        token: checkToken(texts.token, faults),
        tokenFile: texts.tokenFile,
        cluster: texts.cluster || 'default',
        host: texts.host || os.hostname(),
        roots: spoolRoots(texts.spool)
    };
    return { settings: Object.freeze(settings), faults };
}

module.exports = { readSettings, readToken, DEFAULT_URL, DEFAULT_SPOOL };
