'use strict';

// Settings, the waits between tries, and the settings in the README.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { Collector, Mta, temporaryFolder, until } = require('./harness');

// The third form of an HTTP date has no zone: it must not be taken for one of this machine's.
process.env.TZ = 'America/New_York';

const PLUGIN = path.join(__dirname, '../../zonemta-plugin');
const { readSettings } = require(path.join(PLUGIN, 'lib/settings'));
const { readAnswer, readRetryAfter, waitAfter } = require(path.join(PLUGIN, 'lib/answer'));

test('Without settings the defaults apply', () => {
    const { settings, faults } = readSettings({ enabled: ['sender'], ordering: 1 });
    assert.deepEqual(faults, []);
    assert.equal(settings.url.href, 'http://127.0.0.1:9626/api/events/ingest');
    assert.deepEqual(
        [settings.cluster, settings.host, settings.token, settings.roots[0]],
        ['default', os.hostname(), null, '/var/spool/duckwatch']
    );
    assert.deepEqual(
        [
            settings.maxSpoolBytes,
            settings.batchEvents,
            settings.batchBytes,
            settings.batchAge,
            settings.timeout,
            settings.deadAfter
        ],
        [1073741824, 500, 1048576, 200, 15000, 60000]
    );
});

/** @typedef {import('../../zonemta-plugin/lib/settings').Settings} Settings */
/** @type {[Record<string, unknown>, string, (settings: Settings) => boolean][]} */
const WRONG = [
    [{ batchEvents: 0 }, 'batchEvents', settings => settings.batchEvents === 500],
    [{ batchEvents: 'many' }, 'batchEvents', settings => settings.batchEvents === 500],
    [{ timeout: NaN }, 'timeout', settings => settings.timeout === 15000],
    [{ maxSpoolBytes: {} }, 'maxSpoolBytes', settings => settings.maxSpoolBytes === 1073741824],
    [{ url: 'ftp://x/' }, 'url', settings => settings.url === null],
    [{ url: 'http://user:secret@' }, 'url', settings => settings.url === null],
    [{ token: 5 }, 'token', settings => settings.token === null],
    [{ token: 'sec ret\n' }, 'token', settings => settings.token === null],
    [{ token: 'sécret' }, 'token', settings => settings.token === null],
    [{ tokn: 'secret' }, 'tokn', settings => settings.token === null]
];

for (const [config, name, holds] of WRONG) {
    test(`A wrong setting is named without its value, and its default applies: ${JSON.stringify(config)}`, () => {
        const { settings, faults } = readSettings(config);
        assert.equal(faults.length, 1);
        assert.ok(faults[0].includes(name) && !faults[0].includes('secret'), faults[0]);
        assert.ok(holds(settings));
    });
}

test('Spaces and line ends around a token do not count', () => {
    const { settings, faults } = readSettings({ token: ' secret\r\n' });
    assert.deepEqual([settings.token, faults], ['secret', []]);
});

test('Numbers may be written as text', () => {
    assert.equal(readSettings({ batchEvents: '20' }).settings.batchEvents, 20);
});

test('With wrong settings the plugin still loads and spools, and ZoneMTA goes on', async t => {
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: 'nonsense', spool, batchAge: 'soon' });
    await mta.emit(['a']);
    assert.equal(mta.said('Setting url').length, 1);
    assert.equal(mta.said('Setting batchAge').length, 1);
    const [folder] = fs.readdirSync(spool);
    assert.match(fs.readFileSync(path.join(spool, folder, '1.jsonl'), 'utf8'), /"id":"a"/);
});

test('The plugin has a title, an init that calls back, and two hooks', async t => {
    const mta = await Mta.start(t, { spool: temporaryFolder(t) }, 'receiver');
    assert.deepEqual([mta.ready.title, mta.ready.hooks], ['duckwatch', ['log:entry', 'sender:fetch']]);
});

test('A queue poll is not sent', async t => {
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    await mta.emit([null], { action: 'QUEUE_POLL' });
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    assert.equal(collector.events.length, 1);
});

test('An idle process sends a heartbeat every 30 seconds', { timeout: 60000 }, async t => {
    const collector = await Collector.start(t);
    await Mta.start(t, { url: collector.url, spool: temporaryFolder(t), deadAfter: 60000 });
    await until('the first', () => collector.requests.length === 1);
    await new Promise(resolve => setTimeout(resolve, 20000));
    assert.equal(collector.requests.length, 1);
    await until('the second', () => collector.requests.length === 2);
    assert.ok(collector.requests[1].at - collector.requests[0].at <= 45000);
});

const NOW = Date.parse('2026-11-24T10:00:00Z');
const RETRY_AFTER = [
    ['7', 7000],
    ['0', 0],
    ['99999999', 300000],
    ['Tue, 24 Nov 2026 10:00:09 GMT', 9000],
    ['Tuesday, 24-Nov-26 10:00:09 GMT', 9000],
    ['Tue Nov 24 10:00:09 2026', 9000],
    ['Tue, 24 Nov 2026 09:00:00 GMT', 0],
    ['Tue, 24 Nov 2099 10:00:00 GMT', 300000],
    ['-5', null],
    ['1e3', null],
    ['soon', null],
    ['Never', null],
    ['', null],
    [undefined, null]
];

for (const [text, wait] of RETRY_AFTER) {
    test(`Retry-After: ${text}`, () => assert.equal(readRetryAfter(text, NOW), wait));
}

test('Without Retry-After the plugin waits for at most 30 seconds, and each process for another time', () => {
    const later = { wait: null };
    for (let failures = 0; failures < 2000; failures += 1) {
        const [least, most] = [0, 0.999999].map(random => waitAfter(later, failures, random));
        assert.ok(least >= 250 && most <= 30000 && most >= least * 1.9, `${failures}: ${least} ${most}`);
    }
    assert.ok(waitAfter(later, 1, 0) > waitAfter(later, 0, 0));
});

test('The plugin never waits for less than Retry-After, and a zero does not mean at once', () => {
    assert.ok(waitAfter({ wait: 7000 }, 0, 0) >= 7000);
    assert.ok(waitAfter({ wait: 0 }, 0, 0) >= 1000);
});

test('Retry-After is read from answers 429 and 503 only', () => {
    const headers = { 'retry-after': '7' };
    const waits = [429, 503, 500, 401].map(status => readAnswer({ status, headers }, NOW).wait);
    assert.deepEqual(waits, [7000, 7000, null, null]);
});

test('The README has every setting with its default, and no other', () => {
    const readme = fs.readFileSync(path.join(PLUGIN, 'README.md'), 'utf8');
    const told = [...readme.matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)].map(([, name, byDefault]) => [
        name,
        byDefault.trim().replace(/`/g, '')
    ]);
    const { settings } = readSettings({});
    const actual = Object.fromEntries(told);
    const known = [
        'url',
        'token',
        'tokenFile',
        'cluster',
        'host',
        'spool',
        'maxSpoolBytes',
        'batchEvents',
        'batchBytes',
        'batchAge',
        'timeout',
        'deadAfter'
    ];
    assert.deepEqual(Object.keys(actual).sort(), known.sort());
    for (const name of ['maxSpoolBytes', 'batchEvents', 'batchBytes', 'batchAge', 'timeout', 'deadAfter']) {
        assert.equal(Number(actual[name].replace(/[^0-9]/g, '')), settings[name], name);
    }
    assert.ok(actual.url.includes(settings.url.href) && actual.spool.includes('/var/spool/duckwatch'));
});

test('The package lists every file, has no dependency, and has the version of the heartbeats', async t => {
    const manifest = JSON.parse(fs.readFileSync(path.join(PLUGIN, 'package.json'), 'utf8'));
    assert.deepEqual(manifest.files, ['index.js', 'lib/', 'README.md']);
    assert.equal(manifest.dependencies, undefined);
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    await mta.emit(['a']);
    await until('a report', () => collector.taken.length);
    assert.equal(collector.taken[0].body.plugin.version, manifest.version);
});
