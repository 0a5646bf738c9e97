'use strict';

// One request to the collector and its outcome, over one kept connection; whatever the other side does, there is one
// outcome.

const http = require('http');
const https = require('https');
const { guard } = require('./log');
const { readToken } = require('./settings');

const ANSWER_BYTES = 64 * 1024;

class Exchange {
    constructor(settings, version, log) {
        this.settings = settings;
        this.log = log;
        this.version = version;
        this.transport = settings.url && settings.url.protocol === 'https:' ? https : http;
        // An agent of its own also ignores the environment's proxies.
        this.agent = new this.transport.Agent({ keepAlive: true, maxSockets: 1 });
    }

    /**
     * Posts `body` (text). Calls `settle` once, later: with `{status, headers}`, or `{error, isReused}` without an
     * answer.
     */
    post(body, settle) {
        const exchange = { settle, status: 0, headers: {}, isReused: false, isSettled: false, timer: null };
        const finish = guard(this.log, error => this.finish(exchange, error));
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

    options(bytes) {
        const { url } = this.settings;
        const headers = {
            'content-type': 'application/json',
            'content-length': bytes.length,
            // A proxy that cuts the body corrects content-length, and leaves this.
            'duckwatch-length': bytes.length,
            'user-agent': `zonemta-duckwatch/${this.version}`
        };
        const token = readToken(this.settings, this.log);
        if (token) {
            headers.authorization = `Bearer ${token}`;
        } else if (url.username || url.password) {
            const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
            headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
        }
        return {
            method: 'POST',
            agent: this.agent,
            // An IPv6 address stands in brackets in a URL, and without them here.
            hostname: url.hostname.replace(/^\[|\]$/g, ''),
            port: url.port || undefined,
            path: `${url.pathname}${url.search}`,
            headers
        };
    }

    listen(request, exchange, finish) {
        request.on('error', err => finish(err.code || 'error'));
        request.on('close', () => finish('closed'));
        // A connection, idle or not, must not keep a process from ending: what is not acknowledged is on disk.
        request.on(
            'socket',
            guard(this.log, socket => {
                exchange.isReused = request.reusedSocket;
                socket.unref();
            })
        );
        request.on(
            'response',
            guard(this.log, response => {
                exchange.status = response.statusCode;
                exchange.headers = response.headers;
                this.drain(request, response, finish);
            })
        );
    }

    drain(request, response, finish) {
        let bytes = 0;
        response.on('error', err => finish(err.code || 'error'));
        response.on('aborted', () => finish('aborted'));
        response.on('end', () => finish(null));
        response.on('data', chunk => {
            bytes += chunk.length;
            if (bytes > ANSWER_BYTES) {
                finish(null);
                request.destroy();
            }
        });
    }

    /** The status line is the answer, also when the body behind it breaks off. */
    finish(exchange, error) {
        if (exchange.isSettled) {
            return;
        }
        exchange.isSettled = true;
        clearTimeout(exchange.timer);
        exchange.settle(
            exchange.status
                ? { status: exchange.status, headers: exchange.headers }
                : { error: error || 'error', isReused: exchange.isReused }
        );
    }
}

module.exports = { Exchange };
