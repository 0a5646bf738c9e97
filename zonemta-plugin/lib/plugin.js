'use strict';

// Builds the plugin's parts and connects them to the hooks, the housekeeping timer and the exit.

const { version } = require('../package.json');
const { Aside } = require('./aside');
const { Attempts } = require('./attempts');
const { Clock } = require('./clock');
const { isIgnored, keep } = require('./entry');
const { Exchange } = require('./exchange');
const { Log, guard } = require('./log');
const { Orphans } = require('./orphans');
const { Owner } = require('./owner');
const { Sender } = require('./sender');
const { Spool } = require('./spool');
const { readSettings } = require('./settings');

const HOUSEKEEPING_MS = 5000;

/**
 * The object that ZoneMTA passes to a plugin, as far as this one uses it.
 * @typedef {object} App
 * @property {import('./settings').Config} [config]
 * @property {{context?: unknown}} [manager]
 * @property {import('./log').Logger} [logger]
 * @property {(name: string, action: (shown: unknown, next: () => void) => void) => void} addHook
 *
 * @typedef {ReturnType<typeof build>} Parts
 */

// A plugin finds its context only in the plugin handler (wild-plugins: `PluginInstance.manager.context`).
/** @param {App} app */
function contextOf(app) {
    const context = app && app.manager && app.manager.context;
    return typeof context === 'string' && context ? context : 'unknown';
}

/**
 * @param {App} app
 * @param {Log} log
 */
function build(app, log) {
    const { settings, faults } = readSettings((app && app.config) || {});
    for (const fault of faults) {
        log.error('%s', fault);
    }
    const context = contextOf(app);
    const owner = new Owner({ context, version, cluster: settings.cluster, host: settings.host });
    const spool = new Spool({ settings, owner, log });
    // Only the master claims spools: one process of an instance is enough, and the master lives longest.
    const orphans = new Orphans({ settings, owner, log, active: context === 'main' });
    const sender = new Sender({
        settings,
        spool,
        orphans,
        exchange: new Exchange(settings, version, log),
        aside: new Aside(spool),
        log,
        version
    });
    return { settings, context, log, spool, orphans, sender, clock: new Clock(), attempts: new Attempts() };
}

/**
 * Writes one entry to the spool. The operating system has it when this returns. Never throws.
 * @param {Parts} parts
 * @param {unknown} entry
 */
function record(parts, entry) {
    try {
        if (isIgnored(entry)) {
            return;
        }
        const line = keep(entry, parts.context, parts.clock, parts.attempts);
        if (line === null) {
            parts.spool.lose(1);
            parts.log.once('entry', 'error', 'A log entry could not be read at all; it counts as dropped');
            return;
        }
        parts.spool.append(line);
        parts.sender.appended();
    } catch (err) {
        parts.log.once('record', 'error', 'A log entry could not be kept: %s', err && err.message);
    }
}

/** @param {Parts} parts */
function keepHouse(parts) {
    parts.spool.keepAlive();
    parts.orphans.sweep(parts.spool.id);
    parts.sender.wake();
}

/**
 * Starts the plugin in this process. Never throws. Returns its parts, for tests.
 * @param {App} app
 */
function start(app) {
    const log = new Log(app && app.logger);
    try {
        const parts = build(app, log);
        app.addHook('log:entry', (entry, next) => {
            record(parts, entry);
            next();
        });
        // Only senders fetch. What is thrown here would defer the delivery.
        const begin = guard(log, delivery => parts.attempts.begin(delivery));
        app.addHook('sender:fetch', (delivery, next) => {
            begin(delivery);
            next();
        });
        const housekeeping = guard(log, () => keepHouse(parts));
        setInterval(housekeeping, Math.min(HOUSEKEEPING_MS, parts.settings.deadAfter / 6)).unref();
        setTimeout(housekeeping, 0).unref();
        process.on(
            'exit',
            guard(log, () => parts.spool.close())
        );
        return parts;
    } catch (err) {
        log.error('The plugin could not start, no event will be sent: %s', err && err.message);
        return null;
    }
}

module.exports = { start };
