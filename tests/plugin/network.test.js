'use strict';

// A collector that is missing, hangs, closes or sends nonsense stops neither ZoneMTA nor an event.

const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const test = require('node:test');
const { Collector, Mta, accept, afterwards, answer, portOf, range, temporaryFolder, until } = require('./harness');

const raw =
    (...texts) =>
    (request, response) => {
        for (const text of texts) {
            response.socket.write(text);
        }
        response.socket.destroySoon();
    };

const NONSENSE = {
    'no HTTP at all': raw('220 mail.example ESMTP\r\n'),
    'binary noise': raw(Buffer.from([0, 255, 22, 3, 1, 13, 10, 13, 10])),
    'a status line that ends': raw('HTTP/1.1 20'),
    'a status out of range': raw('HTTP/1.1 99999 What\r\n\r\n'),
    'a closed connection': (request, response) => response.socket.end(),
    'a reset connection': (request, response) => response.socket.resetAndDestroy(),
    'an upgrade that nobody asked for': raw(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nxx'
    ),
    'endless headers': raw(`HTTP/1.1 202 Accepted\r\n${'x-y: z\r\n'.repeat(20000)}`),
    'provisional answers and then nothing': raw('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)),
    'a 500 with a broken chunked body': raw('HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n'),
    'a 503 with a Retry-After of nonsense': answer(503, { 'retry-after': '-1e999; drop table' }),
    'a 503 with an empty Retry-After': answer(503, { 'retry-after': '' }),
    'a 500 with an endless body': (request, response) => {
        response.writeHead(500);
        response.on('error', () => {});
        response.write(Buffer.alloc(1024 * 1024));
    }
};

for (const [what, act] of Object.entries(NONSENSE)) {
    test(`After ${what} the events are sent again, and the process goes on`, async t => {
        const collector = await Collector.start(t);
        const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t), timeout: 2000 });
        collector.script.push(act);
        await mta.emit(['a', 'b']);
        await until('both', () => collector.has(['a', 'b']));
        assert.ok(collector.withEvents.length >= 2);
        assert.deepEqual([mta.exit, mta.errors, mta.said('Unexpected')], [null, '', []]);
    });
}

test('A 202 counts even if its body breaks off or never ends', async t => {
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t), timeout: 500 });
    collector.script.push(
        raw('HTTP/1.1 202 Accepted\r\nDuckwatch-Version: 0.1.0\r\nContent-Length: 999\r\n\r\n{"acc'),
        (request, response) => {
            response.writeHead(202);
            response.write('{"accepted": 1');
        }
    );
    await mta.emit(['a']);
    await until('the first', () => collector.withEvents.length === 1);
    await mta.emit(['b']);
    await until('the second', () => collector.withEvents.length === 2);
    await mta.emit(['c']);
    await until('the third', () => collector.has(['c']));
    assert.deepEqual(
        collector.withEvents.map(request => request.body.events.map(event => event.entry.id)),
        [['a'], ['b'], ['c']]
    );
});

test('Bytes without a request on the kept connection do no harm', async t => {
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    collector.script.push((request, response) => {
        accept(request, response);
        setTimeout(() => response.socket && response.socket.write('HTTP/1.1 400 No\r\n\r\nnonsense'), 20);
        setTimeout(() => request.socket.write('more nonsense\r\n\r\n'), 40);
    });
    await mta.emit(['a']);
    await until('the first', () => collector.has(['a']));
    for (const id of range('x', 20)) {
        await mta.emit([id]);
        await new Promise(resolve => setTimeout(resolve, 5));
    }
    await until('all', () => collector.has(range('x', 20)));
    assert.deepEqual([mta.exit, mta.errors, mta.said('Unexpected')], [null, '', []]);
});

test('A kept connection that closes while a request is sent causes neither a wait nor a log line', async t => {
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    await until('the connection', () => collector.taken.length);
    // The connection is reset while it carries its next request.
    collector.script.push((request, response) => response.socket.resetAndDestroy());
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    assert.equal(collector.withEvents.length, 2);
    assert.deepEqual(mta.said('does not take'), []);
});

test('A collector that accepts and never answers blocks no hook, and no event is lost', async t => {
    const hang = () => {};
    const collector = await Collector.start(t, hang);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t), timeout: 300 });
    await until('a request that hangs', () => collector.requests.length);
    await mta.emit(range('x', 5000));
    assert.equal(collector.taken.length, 0);
    collector.usual = accept;
    await until('all', () => collector.has(range('x', 5000)));
    assert.deepEqual(collector.ids, range('x', 5000));
    assert.equal(mta.said('(timeout)').length, 1);
});

test('A collector that does not read requests blocks no hook', async t => {
    const server = net.createServer(socket => {
        socket.on('error', () => {});
        socket.pause();
    });
    server.listen(0, '127.0.0.1');
    await new Promise(resolve => server.on('listening', resolve));
    const sockets = new Set();
    server.on('connection', socket => sockets.add(socket));
    afterwards(t, () => {
        sockets.forEach(socket => socket.destroy());
        server.close();
    });
    const url = `http://127.0.0.1:${portOf(server)}/`;
    const mta = await Mta.start(t, {
        url,
        spool: temporaryFolder(t),
        timeout: 200,
        batchBytes: 8388608,
        batchEvents: 10000
    });
    await mta.emit(range('x', 2000), { response: 'y'.repeat(4000) });
    await until('the complaint', () => mta.said('(timeout)').length);
    assert.deepEqual([mta.exit, mta.errors], [null, '']);
});

test('A collector that starts later gets the events', async t => {
    const probe = http.createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => probe.on('listening', resolve));
    const port = portOf(probe);
    await new Promise(resolve => probe.close(resolve));
    const mta = await Mta.start(t, { url: `http://127.0.0.1:${port}/api/events/ingest`, spool: temporaryFolder(t) });
    await mta.emit(['a']);
    await until('the complaint', () => mta.said('ECONNREFUSED').length === 1);
    const seen = [];
    const server = http.createServer((request, response) => {
        request.on('data', chunk => seen.push(chunk));
        request.on('end', () => accept(request, response));
    });
    server.listen(port, '127.0.0.1');
    afterwards(t, () => {
        server.closeAllConnections();
        server.close();
    });
    await until('the event', () => Buffer.concat(seen).includes('"a"'));
});

test('A process can end while a request is under way and events are not sent', async t => {
    const collector = await Collector.start(t, () => {});
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    await until('a request that hangs', () => collector.requests.length);
    await mta.emit(['a']);
    mta.tell('leave');
    assert.deepEqual(await mta.ended, { code: 0, signal: null });
});

test('A host name that does not resolve is treated as an outage', async t => {
    const mta = await Mta.start(t, { url: 'http://collector.invalid:9626/', spool: temporaryFolder(t) });
    await mta.emit(['a']);
    await until('the complaint', () => mta.said('does not take events').length === 1);
    assert.equal(mta.exit, null);
});
