'use strict';

// One request to the collector over one kept connection. Each request has exactly one outcome, whatever the server
// does.

const http = require('http');
const https = require('https');
const { guard } = require('./log');
const { readToken } = require('./settings');

const ANSWER_BYTES = 64 * 1024;
// As much of the body as tells the collector's 202 from that of another server.
const KEPT_BYTES = 64;

/**
 * The outcome of a request: an answer (`status`, `headers`, the start of the `body`), or none (`error`, and whether the
 * connection had been used before).
 * @typedef {object} Outcome
 * @property {number} [status]
 * @property {import('http').IncomingHttpHeaders} [headers]
 * @property {string} [body]
 * @property {string} [error]
 * @property {boolean} [isReused]
 *
 * @typedef {object} Pending
 * @property {(outcome: Outcome) => void} settle
 * @property {number} status
 * @property {import('http').IncomingHttpHeaders} headers
 * @property {string} body
 * @property {boolean} isReused
 * @property {boolean} isSettled
 * @property {NodeJS.Timeout | undefined} timer
 *
 * @typedef {(error: string | null) => void} Finish
 */

/**
 * Decodes the percent-encoded bytes of `text`. A `%` that encodes none stands for itself, as in a URL of curl.
 * @param {string} text
 */
function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch (err) {
        return text;
    }
}

class Exchange {
    /**
     * @param {import('./settings').Settings} settings
     * @param {string} version
     * @param {import('./log').Log} log
     */
    constructor(settings, version, log) {
        this.settings = settings;
        this.log = log;
        this.version = version;
        this.transport = settings.url && settings.url.protocol === 'https:' ? https : http;
        // The plugin's own agent ignores the proxies of the environment.
        this.agent = new this.transport.Agent({ keepAlive: true, maxSockets: 1 });
    }

    /**
     * Posts `body`. Calls `settle` exactly once, after this has returned.
     * @param {string} body
     * @param {(outcome: Outcome) => void} settle
     */
    post(body, settle) {
        /** @type {Pending} */
        const exchange = {
            settle,
            status: 0,
            headers: {},
            body: '',
            isReused: false,
            isSettled: false,
            timer: undefined
        };
        const finish = guard(this.log, (/** @type {string | null} */ error) => this.finish(exchange, error));
        try {
            const bytes = Buffer.from(body);
            const request = this.transport.request(this.options(bytes));
            const giveUp = guard(this.log, () => {
                finish('timeout');
                request.destroy();
            });
            exchange.timer = setTimeout(giveUp, this.settings.timeout);
            exchange.timer.unref();
            this.listen(request, exchange, finish);
            request.end(bytes);
        } catch (err) {
            setTimeout(() => finish(err.code || 'unsendable'), 0).unref();
        }
    }

    /** @param {Buffer} bytes */
    options(bytes) {
        // There is a URL: the sender sends nothing without one.
        const url = /** @type {URL} */ (this.settings.url);
        /** @type {import('http').OutgoingHttpHeaders} */
        const headers = {
            'content-type': 'application/json',
            'content-length': bytes.length,
            // A proxy that cuts the body corrects content-length, but not this header.
            'duckwatch-length': bytes.length,
            'user-agent': `zonemta-duckwatch/${this.version}`
        };
        const token = readToken(this.settings, this.log);
        if (token) {
            headers.authorization = `Bearer ${token}`;
        } else if (url.username || url.password) {
            const login = `${decode(url.username)}:${decode(url.password)}`;
            headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
        }
        return {
            method: 'POST',
            agent: this.agent,
            // An IPv6 address has brackets in a URL, but must not have them here.
            hostname: url.hostname.replace(/^\[|\]$/g, ''),
            port: url.port || undefined,
            path: `${url.pathname}${url.search}`,
            headers
        };
    }

    /**
     * @param {import('http').ClientRequest} request
     * @param {Pending} exchange
     * @param {Finish} finish
     */
    listen(request, exchange, finish) {
        request.on('error', (/** @type {NodeJS.ErrnoException} */ err) => finish(err.code || 'error'));
        request.on('close', () => finish('closed'));
        // A connection must not keep the process from exiting: unacknowledged events are on disk.
        request.on(
            'socket',
            guard(this.log, (/** @type {import('net').Socket} */ socket) => {
                exchange.isReused = request.reusedSocket;
                socket.unref();
            })
        );
        request.on(
            'response',
            guard(this.log, (/** @type {import('http').IncomingMessage} */ response) => {
                exchange.status = response.statusCode || 0;
                exchange.headers = response.headers;
                this.drain(request, response, exchange, finish);
            })
        );
    }

    /**
     * @param {import('http').ClientRequest} request
     * @param {import('http').IncomingMessage} response
     * @param {Pending} exchange
     * @param {Finish} finish
     */
    drain(request, response, exchange, finish) {
        let bytes = 0;
        response.on('error', (/** @type {NodeJS.ErrnoException} */ err) => finish(err.code || 'error'));
        response.on('aborted', () => finish('aborted'));
        response.on('end', () => finish(null));
        response.on('data', chunk => {
            if (bytes < KEPT_BYTES) {
                exchange.body += chunk.subarray(0, KEPT_BYTES - bytes).toString('latin1');
            }
            bytes += chunk.length;
            if (bytes > ANSWER_BYTES) {
                finish(null);
                request.destroy();
            }
        });
    }

    /**
     * Settles the request. The status line is the answer, even if the body breaks off.
     * @param {Pending} exchange
     * @param {string | null} error
     */
    finish(exchange, error) {
        if (exchange.isSettled) {
            return;
        }
        exchange.isSettled = true;
        clearTimeout(exchange.timer);
        exchange.settle(
            exchange.status
                ? { status: exchange.status, headers: exchange.headers, body: exchange.body }
                : { error: error || 'error', isReused: exchange.isReused }
        );
    }
}

module.exports = { Exchange };
