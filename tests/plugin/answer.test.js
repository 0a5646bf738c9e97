'use strict';

// What the plugin does with a batch after each answer of the collector.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Collector, Mta, accept, answer, bytesIn, range, somebodys, temporaryFolder, until } = require('./harness');

async function stage(t, settings = {}, usual = accept) {
    const collector = await Collector.start(t, usual);
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, cluster: 'eu1', host: 'mta1', ...settings });
    return { collector, spool, mta };
}

const spooledBytes = spool => bytesIn(spool, /^\d+\.jsonl$/);
const rejectedIn = spool =>
    fs
        .readFileSync(path.join(spool, 'duckwatch.rejected.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line));

test('After a 202 the sent events leave the spool, and the body has the documented form', async t => {
    const { collector, spool, mta } = await stage(t);
    const before = Date.now();
    await mta.emit(['a', 'b'], { to: 'x@example.org' });
    await until('both', () => collector.has(['a', 'b']));
    const { body, headers, url } = collector.withEvents[0];
    assert.equal(url, '/api/events/ingest');
    assert.equal(headers.authorization, 'Bearer secret-token');
    assert.equal(headers['content-type'], 'application/json');
    assert.ok(Number(headers['content-length']) > 0);
    assert.equal(headers['duckwatch-length'], headers['content-length']);
    assert.deepEqual(Object.keys(body), ['cluster', 'host', 'plugin', 'events']);
    assert.deepEqual([body.cluster, body.host], ['eu1', 'mta1']);
    assert.deepEqual(Object.keys(body.plugin), [
        'version',
        'process',
        'contexts',
        'spool_bytes',
        'oldest_unsent',
        'dropped'
    ]);
    assert.equal(body.plugin.version, '0.1.0');
    assert.match(body.plugin.process, /^[0-9a-f]{16}$/);
    assert.deepEqual(body.plugin.contexts, ['sender']);
    const [event] = body.events;
    assert.deepEqual(event.entry, { id: 'a', seq: '001', action: 'ACCEPTED', to: 'x@example.org' });
    assert.equal(event.context, 'sender');
    assert.ok(event.time >= before && event.time <= Date.now());
    await until('the spool to be empty', () => spooledBytes(spool) === 0);
    assert.deepEqual(
        body.events.map(({ entry }) => entry.id),
        ['a', 'b']
    );
});

test('A heartbeat names the size of the spool without the events of its own body', async t => {
    const { collector, mta } = await stage(t, { batchEvents: 2 }, answer(503));
    await mta.emit(['a', 'b', 'c']);
    await until('a try', () => collector.withEvents.length);
    const { body } = collector.withEvents[0];
    collector.usual = accept;
    await until('all', () => collector.has(['a', 'b', 'c']));
    const [last] = collector.taken.slice(-1);
    assert.deepEqual([last.body.plugin.spool_bytes, last.body.plugin.oldest_unsent], [0, null]);
    const [first, third] = [collector.events[0], collector.events.find(event => event.entry.id === 'c')];
    assert.ok(body.events.length === 2 ? body.plugin.oldest_unsent === third.time : body.events[0].time === first.time);
    assert.ok(body.plugin.spool_bytes > 0);
});

for (const status of [200, 204, 302, 401, 403, 404, 410, 415, 429, 500, 502, 503]) {
    test(`After a ${status} the same events are sent again with the same times, and one log line says so`, async t => {
        const { collector, mta } = await stage(t);
        collector.script.push(
            answer(status, {}, status === 204 ? '' : '{}'),
            answer(status, {}, status === 204 ? '' : '{}')
        );
        await mta.emit(['a', 'b']);
        await until('both', () => collector.has(['a', 'b']));
        const tries = collector.withEvents.map(request => request.body.events);
        assert.equal(tries.length, 3);
        assert.deepEqual(tries[0], tries[2].slice(0, tries[0].length));
        await until('the good news', () => mta.said('takes events again').length === 1);
        assert.equal(mta.said(`does not take events (status ${status})`).length, 1);
    });
}

test('After a 400 the batch is set aside and counted, one log line says so, and later events are sent', async t => {
    const { collector, spool, mta } = await stage(t);
    collector.script.push(answer(400));
    await mta.emit(['bad']);
    await until('the refusal', () => mta.said('set aside').length === 1);
    collector.script.push(answer(400));
    await mta.emit(['worse']);
    await until('the second refusal', () => collector.script.length === 0);
    await mta.emit(['good']);
    await until('the next', () => collector.has(['good']));
    assert.deepEqual(
        rejectedIn(spool).map(event => [event.cluster, event.host, event.entry.id, typeof event.time]),
        [
            ['eu1', 'mta1', 'bad', 'number'],
            ['eu1', 'mta1', 'worse', 'number']
        ]
    );
    assert.equal(collector.taken.slice(-1)[0].body.plugin.dropped, 2);
    assert.equal(mta.said('set aside').length, 1);
    assert.deepEqual(collector.ids, ['good']);
});

for (const [status, type, text] of [
    [400, 'text/html', '<html>The plain HTTP request was sent to HTTPS port</html>'],
    [400, 'text/plain; charset=utf-8', 'Client sent an HTTP request to an HTTPS server.'],
    [400, 'application/problem+json', '{"title":"Bad Request"}'],
    [413, 'application/json', '{"message":"Request size limit exceeded"}'],
    [413, 'text/html', '<html>413 Request Entity Too Large</html>']
]) {
    test(`A ${status} in ${type} that is not the collector's answer leaves the batch as it is`, async t => {
        const { collector, mta } = await stage(t);
        await until('a heartbeat', () => collector.taken.length);
        const proxy = somebodys(status, { 'content-type': type }, String(text));
        collector.script.push(proxy, proxy);
        await mta.emit(['a', 'b']);
        await until('the events', () => collector.has(['a', 'b']));
        assert.deepEqual(collector.withEvents[0].body.events, collector.withEvents[1].body.events);
        assert.equal(mta.said('set aside').length, 0);
        assert.equal(mta.said(`does not take events (status ${status})`).length, 1);
        assert.equal(collector.taken.slice(-1)[0].body.plugin.dropped, 0);
    });
}

for (const [type, text] of [
    ['text/html', '<html>Sign in to the network</html>'],
    ['application/json', '{"status":"queued"}'],
    ['text/plain', '']
]) {
    test(`A 202 in ${type} that is not the collector's answer keeps the batch, and the log names it`, async t => {
        const { collector, mta } = await stage(t);
        await until('a heartbeat', () => collector.taken.length);
        const other = somebodys(202, { 'content-type': type }, text);
        collector.script.push(other, other);
        await mta.emit(['a', 'b']);
        await until('three tries', () => collector.withEvents.length === 3);
        const [first, , third] = collector.withEvents.map(request => request.body.events);
        assert.deepEqual(third.slice(0, first.length), first);
        assert.equal(mta.said('does not take events (status 202 of another server)').length, 1);
    });
}

test('A 400 of the collector about the transport leaves the batch as it is', async t => {
    const { collector, mta } = await stage(t, {}, answer(400, { 'duckwatch-fault': 'transport' }));
    await mta.emit(['a', 'b']);
    await until('a try', () => collector.withEvents.length);
    collector.usual = accept;
    await until('the events', () => collector.has(['a', 'b']));
    assert.equal(mta.said('set aside').length, 0);
    assert.equal(collector.taken.slice(-1)[0].body.plugin.dropped, 0);
});

test('A 413 halves the batch until it fits, in order, and sets aside one event that is too large', async t => {
    const { collector, spool, mta } = await stage(t);
    const tooLarge = (request, response, seen) => {
        const isTooLarge = seen.body.events.length > 3 || seen.body.events.some(event => event.entry.id === 'x00004');
        (isTooLarge ? answer(413) : accept)(request, response);
    };
    collector.usual = tooLarge;
    await mta.emit(range('x', 20));
    const rest = range('x', 20).filter(id => id !== 'x00004');
    await until('all but one', () => collector.has(rest));
    assert.deepEqual(collector.ids, rest);
    assert.deepEqual(
        rejectedIn(spool).map(event => event.entry.id),
        ['x00004']
    );
});

test('The plugin waits as long as Retry-After says', async t => {
    const { collector, mta } = await stage(t);
    collector.script.push(answer(429, { 'retry-after': '2' }));
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    const [first, second] = collector.withEvents;
    assert.ok(second.at - first.at >= 1990, `came again after ${second.at - first.at} ms`);
});

test('A token that was refused is read from its file again, and no log line holds one', async t => {
    const collector = await Collector.start(t);
    const folder = temporaryFolder(t);
    const tokenFile = path.join(folder, 'token');
    fs.writeFileSync(tokenFile, 'old-token\n');
    collector.usual = (request, response) =>
        (request.headers.authorization === 'Bearer new-token' ? accept : answer(401))(request, response);
    const mta = await Mta.start(t, { url: collector.url, spool: path.join(folder, 'spool'), token: null, tokenFile });
    await mta.emit(['a']);
    await until('a refusal', () => collector.withEvents.length);
    fs.writeFileSync(tokenFile, 'new-token\n');
    await until('the event', () => collector.has(['a']));
    assert.deepEqual(
        mta.logs.filter(line => line.includes('-token')),
        []
    );
});

test('The user and password of the URL are sent as Basic when no token is set, and are not logged', async t => {
    const collector = await Collector.start(t);
    const url = collector.url.replace('http://', 'http://any:s%40cret@');
    const mta = await Mta.start(t, { url, spool: temporaryFolder(t), token: null });
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    assert.equal(
        collector.withEvents[0].headers.authorization,
        `Basic ${Buffer.from('any:s@cret').toString('base64')}`
    );
    assert.equal(mta.logs.filter(line => /s(%40|@)cret/.test(line)).length, 0);
});

test('A percent sign in the login of the URL that encodes nothing stands for itself', async t => {
    const collector = await Collector.start(t);
    const url = collector.url.replace('http://', 'http://any:100%@');
    const mta = await Mta.start(t, { url, spool: temporaryFolder(t), token: null });
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    assert.equal(collector.withEvents[0].headers.authorization, `Basic ${Buffer.from('any:100%').toString('base64')}`);
});

test('A token file that holds no token is named once, and the events wait', async t => {
    const collector = await Collector.start(t);
    const folder = temporaryFolder(t);
    const tokenFile = path.join(folder, 'token');
    fs.writeFileSync(tokenFile, '# the token of eu1\nsecret\n');
    collector.usual = (request, response) =>
        (request.headers.authorization === 'Bearer secret' ? accept : answer(401))(request, response);
    const mta = await Mta.start(t, { url: collector.url, spool: path.join(folder, 'spool'), token: null, tokenFile });
    await mta.emit(['a']);
    await until('two refusals', () => collector.withEvents.length > 1);
    assert.equal(mta.logs.filter(line => line.includes('The token file must hold one token')).length, 1);
    fs.writeFileSync(tokenFile, '\ufeffsecret\r\n');
    await until('the event', () => collector.has(['a']));
});

test('All requests use one kept connection, one at a time, and no proxy of the environment', async t => {
    const { collector, mta } = await stage(t, { batchEvents: 10 });
    let inFlight = 0;
    let most = 0;
    collector.usual = (request, response) => {
        most = Math.max(most, (inFlight += 1));
        setTimeout(() => {
            inFlight -= 1;
            accept(request, response);
        }, 2);
    };
    await mta.emit(range('x', 300));
    await until('all', () => collector.has(range('x', 300)));
    assert.equal(most, 1);
    assert.equal(collector.connections, 1);
    assert.deepEqual(collector.ids, range('x', 300));
    assert.ok(collector.withEvents.every(request => request.body.events.length <= 10));
});

test('A batch is not larger than its limit in bytes', async t => {
    const { collector, mta } = await stage(t, { batchBytes: 4096 });
    await mta.emit(range('x', 100), { response: 'y'.repeat(500) });
    await until('all', () => collector.has(range('x', 100)));
    const sizes = collector.withEvents.map(request => JSON.stringify(request.body.events).length);
    assert.ok(Math.max(...sizes) <= 4096 + 100, `${Math.max(...sizes)}`);
});

test('An event that is larger than a batch is sent alone', async t => {
    const { collector, mta } = await stage(t, { batchBytes: 1024 });
    await mta.emit(['a']);
    await mta.emit(['b'], { response: 'y'.repeat(200000) });
    await mta.emit(['c']);
    await until('all', () => collector.has(['a', 'b', 'c']));
    assert.deepEqual(collector.ids, ['a', 'b', 'c']);
});

test('An idle process sends a heartbeat without events as soon as it starts', async t => {
    const { collector } = await stage(t);
    const [beat] = await until('a heartbeat', () => collector.taken.length && collector.taken);
    assert.deepEqual(beat.body.events, []);
    assert.deepEqual(
        [beat.body.plugin.spool_bytes, beat.body.plugin.oldest_unsent, beat.body.plugin.dropped],
        [0, null, 0]
    );
});

test('A refused heartbeat is tried again', async t => {
    const { collector } = await stage(t, {}, answer(400));
    await until('the refusal', () => collector.requests.length === 1);
    collector.usual = accept;
    await until('a heartbeat', () => collector.taken.length);
});
