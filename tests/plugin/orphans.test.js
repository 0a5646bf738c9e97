'use strict';

// Spools of dead processes are claimed by one master and sent. A process that was only stopped loses no event.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { Collector, Mta, accept, afterwards, answer, range, temporaryFolder, until } = require('./harness');

const line = (id, time) =>
    `{"time":${time},"context":"sender","entry":{"id":"${id}","seq":"001","action":"ACCEPTED"}}\n`;
const spoolId = n => n.toString(16).padStart(16, '0');
const spoolsIn = folder => fs.readdirSync(folder).filter(name => /^[0-9a-f]{16}(\.|$)/.test(name));

/** Make the spool of a process that died a while ago on another machine. `segments` are texts. */
function leave(root, id, segments, note = {}) {
    const folder = path.join(root, id);
    fs.mkdirSync(folder, { recursive: true });
    segments.forEach((text, i) => fs.writeFileSync(path.join(folder, `${i + 1}.jsonl`), text));
    fs.writeFileSync(
        path.join(folder, 'owner.json'),
        JSON.stringify({ holder: id, cluster: 'eu1', host: 'gone1', ...note })
    );
    const then = new Date(Date.now() - 3600000);
    fs.utimesSync(path.join(folder, 'owner.json'), then, then);
}

test('The master sends the events of a killed process in order under its name, then its last heartbeat', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, cluster: 'eu7', host: 'other7' });
    await mta.emit(range('x', 1500));
    await mta.kill();
    const [id] = spoolsIn(spool);
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('all', () => collector.has(range('x', 1500)));
    assert.deepEqual(collector.ids, range('x', 1500));
    const own = collector.taken.filter(request => request.body.plugin.process === id);
    assert.ok(own.every(request => request.body.cluster === 'eu7' && request.body.host === 'other7'));
    const { plugin } = own[own.length - 1].body;
    assert.deepEqual([plugin.spool_bytes, plugin.oldest_unsent], [0, null]);
    await until('the spool to go', () => spoolsIn(spool).length === 1);
});

test('A spool without events gets a last heartbeat too', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), ['']);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    const [farewell] = await until('the farewell', () => {
        const found = collector.taken.filter(request => request.body.plugin.process === spoolId(1));
        return found.length && found;
    });
    assert.deepEqual([farewell.body.events, farewell.body.plugin.spool_bytes], [[], 0]);
    await until('the spool to go', () => !spoolsIn(spool).some(name => name.startsWith(spoolId(1))));
});

test('Only the master claims spools', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const sender = await Mta.start(t, { url: collector.url, spool }, 'sender');
    await sender.emit(['own']);
    await until('its own', () => collector.has(['own']));
    assert.ok(fs.existsSync(path.join(spool, spoolId(1))));
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claimed', () => collector.has(['a']));
});

test('With two masters on one folder each spool is claimed once', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const ids = range('x', 60);
    ids.forEach((id, n) => leave(spool, spoolId(n + 1), [line(id, Date.now())]));
    // Long enough that a claimer on a busy machine does not count as dead.
    const masters = await Promise.all(
        [1, 2, 3].map(() => Mta.start(t, { url: collector.url, spool, deadAfter: 4000 }, 'main'))
    );
    await until('all', () => collector.has(ids));
    await until('the spools to go', () => spoolsIn(spool).length === masters.length);
    assert.deepEqual([...collector.ids].sort(), ids);
    const claims = masters.flatMap(master => master.said('Claimed the spool of process'));
    assert.equal(claims.length, ids.length);
});

test('A torn last line is never sent, is never joined to another line, and does not hold back later lines', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const whole = [line('a', 1000), line('b', 2000), line('c', 3000)];
    leave(spool, spoolId(1), [whole[0] + whole[1].slice(0, 30), whole[2], `${whole[1].slice(0, -1)}`]);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the whole ones', () => collector.has(['a', 'c']));
    await until('the spool to go', () => spoolsIn(spool).length === 1);
    assert.deepEqual(collector.ids, ['a', 'c']);
});

test('A line that a power cut has damaged is counted as dropped, and spoils no batch', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [`${line('a', 1000)}${'\0'.repeat(50)}\n{"time":5,"context":"sen\n${line('b', 2000)}`]);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('both', () => collector.has(['a', 'b']));
    const own = collector.taken.filter(request => request.body.plugin.process === spoolId(1));
    assert.equal(own[own.length - 1].body.plugin.dropped, 2);
});

test('The count of dropped events is kept after the end of its process', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, maxSpoolBytes: 65536 });
    await mta.emit(range('x', 1000), { response: 'y'.repeat(400) });
    await mta.kill();
    const [id] = spoolsIn(spool);
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the newest', () => collector.has(['x00999']));
    const own = collector.taken.filter(request => request.body.plugin.process === id);
    assert.equal(own[own.length - 1].body.plugin.dropped, 1000 - new Set(collector.ids).size);
});

test('The spools of a claimer that died are claimed by the next', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const first = await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claim', () => first.said('Claimed').length);
    await first.kill();
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the event', () => collector.has(['a']));
    const [request] = collector.taken.filter(taken => taken.body.events.length);
    assert.deepEqual(
        [request.body.cluster, request.body.host, request.body.plugin.process],
        ['eu1', 'gone1', spoolId(1)]
    );
    await until('the spools to go', () => spoolsIn(spool).length === 1);
});

test('A spool with a heartbeat in the future is claimed once it was watched for long enough', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const ahead = new Date(Date.now() + 7200000);
    fs.utimesSync(path.join(spool, spoolId(1), 'owner.json'), ahead, ahead);
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the event', () => collector.has(['a']));
});

test('A living process keeps its spool', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    const [id] = spoolsIn(spool);
    const master = await Mta.start(t, { url: collector.url, spool }, 'main');
    leave(spool, spoolId(1), [line('b', Date.now())]);
    await until('a claim of the dead one', () => master.said('Claimed').length);
    assert.ok(spoolsIn(spool).includes(id));
    assert.equal(master.said(id).length, 0);
});

test('A process whose spool was claimed while it was stopped begins a new one, and no event is lost', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    const [id] = spoolsIn(spool);
    mta.child.kill('SIGSTOP');
    const master = await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('the claim', () => master.said(`Claimed the spool of process ${id}`).length);
    collector.usual = accept;
    await until('the spool to go', () => master.said(`The spool of process ${id} is sent`).length);
    const done = mta.emit(['b', 'c']);
    mta.child.kill('SIGCONT');
    await done;
    await until('all', () => collector.has(['a', 'b', 'c']));
    const last = collector.taken.filter(request => request.body.events.some(event => event.entry.id === 'c'));
    assert.notEqual(last[0].body.plugin.process, id);
    assert.deepEqual([mta.exit, mta.errors], [null, '']);
});

test('Events that reach a claimed spool by an open file are sent before the spool is removed', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    leave(spool, spoolId(1), [line('a', Date.now())]);
    const open = fs.openSync(path.join(spool, spoolId(1), '1.jsonl'), 'a');
    afterwards(t, () => fs.closeSync(open));
    const master = await Mta.start(t, { url: collector.url, spool, deadAfter: 3000 }, 'main');
    await until('the first', () => collector.has(['a']));
    assert.equal(master.said('is sent').length, 0);
    fs.writeSync(open, line('b', Date.now()));
    await until('the late one', () => collector.has(['b']));
    await until('the spool to go', () => master.said('is sent').length);
});

test('Claimed spools share one quota, and the events dropped for it are counted', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const segment = n =>
        range(`s${n}-`, 200)
            .map(id => line(id, 1000))
            .join('');
    [1, 2, 3].forEach(n => leave(spool, spoolId(n), [segment(`${n}a`), segment(`${n}b`), segment(`${n}c`)]));
    const master = await Mta.start(t, { url: collector.url, spool, maxSpoolBytes: 65536 }, 'main');
    await until('the word', () => master.said('The claimed spools are too large').length);
    collector.usual = accept;
    await until('the spools to go', () => master.said('is sent').length === 3);
    const reports = new Map(collector.taken.map(({ body }) => [body.plugin.process, body.plugin.dropped]));
    const dropped = [1, 2, 3].reduce((sum, n) => sum + reports.get(spoolId(n)), 0);
    assert.equal(dropped, 1800 - collector.ids.length);
    assert.ok(dropped > 0);
});
