'use strict';

// The spool on a full disk, on a read-only disk, at its quota, and at the end of its process.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { Aside } = require('../../zonemta-plugin/lib/aside');
const { Backlog } = require('../../zonemta-plugin/lib/backlog');
const { Collector, Mta, accept, afterwards, answer, bytesIn, range, temporaryFolder, until } = require('./harness');

const LONG = { response: 'y'.repeat(400) };

test('Beyond the quota the oldest events are dropped and reported, and the newest arrive in order', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool, maxSpoolBytes: 65536 });
    const ids = range('x', 1000);
    for (let i = 0; i < ids.length; i += 50) {
        await mta.emit(ids.slice(i, i + 50), LONG);
        assert.ok(bytesIn(spool) <= 65536 + 1024, `${bytesIn(spool)} bytes`);
    }
    collector.usual = accept;
    await until('the newest', () => collector.has(['x00999']));
    const arrived = collector.ids;
    assert.deepEqual(arrived, ids.slice(-arrived.length));
    const [last] = collector.taken.slice(-1);
    assert.equal(last.body.plugin.dropped, ids.length - arrived.length);
    assert.ok(arrived.length > 50);
    assert.equal(mta.said('The spool is full').length, 1);
});

test('Without a spool the plugin keeps the latest events in memory, and counts the others as dropped', async t => {
    const collector = await Collector.start(t, answer(503));
    const file = path.join(temporaryFolder(t), 'file');
    fs.writeFileSync(file, '');
    const mta = await Mta.start(t, { url: collector.url, spool: path.join(file, 'spool') });
    await mta.emit(range('x', 1200));
    collector.usual = accept;
    await until('the newest', () => collector.has(['x01199']));
    const arrived = collector.ids;
    assert.equal(arrived.length, new Set(arrived).size);
    assert.equal(collector.taken.slice(-1)[0].body.plugin.dropped, 1200 - arrived.length);
    assert.deepEqual([...arrived].sort(), arrived);
    assert.equal(mta.said('The disk takes no events').length, 1);
    assert.equal(mta.said('No spool can be in').length, 1);
});

test('A spool that can be made later takes the events that waited in memory', async t => {
    const collector = await Collector.start(t, answer(503));
    const folder = temporaryFolder(t);
    const spool = path.join(folder, 'spool');
    fs.writeFileSync(spool, '');
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a', 'b']);
    fs.unlinkSync(spool);
    await until(
        'the spool',
        () => fs.existsSync(spool) && bytesIn(spool) > 300 && mta.said('Events are spooled in').length
    );
    await mta.emit(['c']);
    await mta.kill();
    collector.usual = accept;
    await Mta.start(t, { url: collector.url, spool }, 'main');
    await until('all', () => collector.has(['a', 'b', 'c']));
    assert.deepEqual([...new Set(collector.ids)], ['a', 'b', 'c']);
});

function unmountAll(folder) {
    try {
        for (;;) {
            execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
        }
    } catch (err) {
        fs.rmdirSync(folder);
    }
}

/** Mount a small file system. Return null, and skip the test, where none can be mounted. */
function mountSmall(t, kilobytes) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'duckwatch-plugin-'));
    afterwards(t, () => unmountAll(folder));
    try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'pipe' });
    } catch (err) {
        t.skip('a small file system cannot be mounted here (needs root)');
        return null;
    }
    return folder;
}

test('A full disk causes no error and no broken line, and events from memory follow in order', async t => {
    const spool = mountSmall(t, 64);
    if (!spool) {
        return;
    }
    const collector = await Collector.start(t, answer(503));
    const mta = await Mta.start(t, { url: collector.url, spool });
    const ids = range('x', 500);
    await mta.emit(ids, LONG);
    assert.equal(mta.said('ENOSPC').length, 1);
    collector.usual = accept;
    await until('all', () => collector.has(ids));
    assert.deepEqual([...new Set(collector.ids)], ids);
    await mta.emit(range('y', 50), LONG);
    await until('the next', () => collector.has(range('y', 50)));
    assert.equal(collector.taken.slice(-1)[0].body.plugin.dropped, 0);
    assert.deepEqual([mta.exit, mta.errors, mta.said('Unexpected')], [null, '', []]);
});

test('On a full disk no half line is set aside, and the count of dropped events is kept', async t => {
    const folder = mountSmall(t, 64);
    if (!folder) {
        return;
    }
    const aside = new Aside({ root: folder });
    const batch = { lines: range('x', 20).map(id => JSON.stringify({ time: 1, entry: { id, ...LONG } })) };
    let file = '';
    for (
        let next = aside.put({ cluster: 'c', host: 'h' }, batch);
        next;
        next = aside.put({ cluster: 'c', host: 'h' }, batch)
    ) {
        file = next;
    }
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    assert.equal(lines.pop(), '');
    assert.equal(lines.length % 20, 0);
    lines.forEach(line => JSON.parse(line));
    fs.unlinkSync(file);
    const backlog = new Backlog(folder);
    backlog.dropped = 7;
    backlog.noteDropped();
    try {
        fs.writeFileSync(path.join(folder, 'filler'), Buffer.alloc(64 * 1024));
    } catch (err) {
        assert.equal(err.code, 'ENOSPC');
    }
    backlog.dropped = 8;
    backlog.noteDropped();
    assert.equal(Backlog.load(folder).dropped, 7);
    fs.unlinkSync(path.join(folder, 'filler'));
    backlog.noteDropped();
    assert.equal(Backlog.load(folder).dropped, 8);
});

test('A disk that becomes read-only causes no error and loses no event', async t => {
    const spool = mountSmall(t, 1024);
    if (!spool) {
        return;
    }
    const collector = await Collector.start(t, answer(503));
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    // A file that is open for writing prevents a read-only remount, but not a read-only bind mount on the folder.
    execFileSync('mount', ['--bind', spool, spool]);
    execFileSync('mount', ['-o', 'remount,ro,bind', spool]);
    await mta.emit(range('x', 10));
    collector.usual = accept;
    await until('all', () => collector.has(['a', ...range('x', 10)]));
    assert.deepEqual([mta.exit, mta.errors, mta.said('Unexpected')], [null, '', []]);
});

test('A spool that is removed is made again with the unsent events of the open file', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = path.join(temporaryFolder(t), 'spool');
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a', 'b']);
    fs.rmSync(spool, { recursive: true });
    await mta.emit(['c']);
    collector.usual = accept;
    await until('all', () => collector.has(['a', 'b', 'c']));
    assert.deepEqual([...new Set(collector.ids)], ['a', 'b', 'c']);
});

test('A process that ends leaves no spool if it has sent all events, else a spool with the others', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    await until('its segment to be left', () => bytesIn(spool) < 400);
    mta.tell('exit');
    assert.deepEqual(await mta.ended, { code: 0, signal: null });
    assert.deepEqual(fs.readdirSync(spool), []);
    collector.usual = answer(503);
    const other = await Mta.start(t, { url: collector.url, spool });
    await other.emit(['b']);
    other.tell('exit');
    await other.ended;
    const [folder] = fs.readdirSync(spool);
    assert.match(fs.readFileSync(path.join(spool, folder, '1.jsonl'), 'utf8'), /"id":"b".*\n$/);
});

test('Only the user of the plugin may read the spool', async t => {
    const collector = await Collector.start(t, answer(503));
    const spool = path.join(temporaryFolder(t), 'spool');
    const mta = await Mta.start(t, { url: collector.url, spool });
    await mta.emit(['a']);
    const files = fs.readdirSync(spool, { recursive: true }).map(name => path.join(spool, name));
    assert.ok(files.length >= 3);
    for (const file of [spool, ...files]) {
        assert.equal(fs.statSync(file).mode & 0o077, 0, file);
    }
});

test('Sent segments are removed, so that the spool of a long-lived process stays small', async t => {
    const collector = await Collector.start(t);
    const spool = temporaryFolder(t);
    const mta = await Mta.start(t, { url: collector.url, spool });
    for (let i = 0; i < 10; i += 1) {
        await mta.emit(range(`${i}-`, 1000), LONG);
    }
    await until('all', () => collector.has(range('9-', 1000)));
    await until('a small spool', () => bytesIn(spool) < 1000);
    assert.equal(collector.ids.length, 10000);
});
