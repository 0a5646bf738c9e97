'use strict';

// The number of the attempt of accepted and rejected deliveries. Only the delivery that ZoneMTA fetched has it.

const assert = require('node:assert');
const test = require('node:test');
const { Attempts } = require('../../zonemta-plugin/lib/attempts');
const { Clock } = require('../../zonemta-plugin/lib/clock');
const { keep } = require('../../zonemta-plugin/lib/entry');
const { Collector, Mta, temporaryFolder, until } = require('./harness');

const delivery = (seq, more = {}) => ({ id: 'a', seq, recipient: 'b@c.example', ...more });
const entryOf = (seq, action = 'ACCEPTED', more = {}) => ({ id: 'a', seq, action, ...more });

/** Return the entry as it is spooled after these deliveries were fetched. */
function kept(deliveries, entry) {
    const attempts = new Attempts();
    deliveries.forEach(one => attempts.begin(one));
    return JSON.parse(keep(entry, 'sender', new Clock(() => 1000), attempts)).entry;
}

const COUNTS = [
    ['nothing was deferred', undefined, 1],
    ['the router deferred it', { first: 1, count: 0 }, 1],
    ['one attempt failed', { count: 1 }, 2],
    ['sixteen attempts failed', { count: 16 }, 17],
    ['a count of another type', { count: '3' }, undefined],
    ['a count that counts nothing', { count: -1 }, undefined],
    ['half a count', { count: 0.5 }, undefined]
];

for (const [what, _deferred, attempt] of COUNTS) {
    for (const action of ['ACCEPTED', 'REJECTED']) {
        test(`The attempt of ${action} when ${what}`, () => {
            const entry = entryOf('001', action);
            const expected = attempt === undefined ? entry : { ...entry, defcount: attempt };
            assert.deepEqual(kept([delivery('001', { _deferred })], entry), expected);
            assert.deepEqual(entry, entryOf('001', action));
        });
    }
}

test('A count that ZoneMTA writes itself is not changed', () => {
    const entry = entryOf('001', 'DEFERRED', { defcount: 7 });
    assert.deepEqual(kept([delivery('001', { _deferred: { count: 2 } })], entry), entry);
});

test('An entry that ends no attempt has no number, and leaves the number to the entry that ends it', () => {
    const attempts = new Attempts();
    attempts.begin(delivery('001'));
    assert.equal(attempts.end(entryOf('001', 'SPAMCHECK')), null);
    assert.equal(attempts.end({ id: 'a', action: 'ACCEPTED' }), null);
    assert.equal(attempts.end(entryOf('001')), 1);
});

test('An entry has no attempt if no delivery of its id and seq was fetched', () => {
    assert.deepEqual(kept([], entryOf('001')), entryOf('001'));
    assert.deepEqual(kept([delivery('002'), { ...delivery('001'), id: 'b' }], entryOf('001')), entryOf('001'));
});

test('Each recipient of a message has an attempt of its own', () => {
    const attempts = new Attempts();
    const seqs = Array.from({ length: 1000 }, (_, i) => (i + 1).toString(16).padStart(3, '0'));
    seqs.forEach((seq, i) => attempts.begin(delivery(seq, { _deferred: { count: i } })));
    const found = [...seqs].reverse().map(seq => attempts.end(entryOf(seq)));
    assert.deepEqual(
        found.reverse(),
        seqs.map((_, i) => i + 1)
    );
    assert.equal(attempts.ongoing.size, 0);
});

test('No entry after the end of an attempt has its number', () => {
    const attempts = new Attempts();
    attempts.begin(delivery('001'));
    assert.equal(attempts.end(entryOf('001', 'DEFERRED', { defcount: 1 })), 1);
    assert.equal(attempts.end(entryOf('001')), null);
    attempts.begin(delivery('001', { _deferred: { count: 1 } }));
    assert.equal(attempts.end(entryOf('001')), 2);
});

test('Deliveries that are never logged do not fill the memory, because the oldest are forgotten', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 100000; i += 1) {
        attempts.begin({ id: `m${i}`, seq: '001' });
        assert.ok(attempts.ongoing.size <= 10000);
    }
    assert.equal(attempts.end({ id: 'm89999', seq: '001', action: 'ACCEPTED' }), null);
    assert.equal(attempts.end({ id: 'm90000', seq: '001', action: 'ACCEPTED' }), 1);
    attempts.begin({ id: 'x'.repeat(1000), seq: '001' });
    assert.equal(attempts.ongoing.size, 9999);
});

test('A delivery that is fetched again counts as the newest', () => {
    const attempts = new Attempts(2);
    attempts.begin(delivery('001'));
    attempts.begin(delivery('002'));
    attempts.begin(delivery('001', { _deferred: { count: 1 } }));
    attempts.begin(delivery('003'));
    assert.equal(attempts.end(entryOf('002')), null);
    assert.equal(attempts.end(entryOf('001')), 2);
});

test('The attempt is not part of the name, so two deliveries to one recipient in a millisecond get two times', () => {
    const [attempts, clock] = [new Attempts(), new Clock(() => 1000)];
    const times = [0, 1].map(count => {
        attempts.begin(delivery('001', { _deferred: { count } }));
        return JSON.parse(keep(entryOf('001'), 'sender', clock, attempts));
    });
    assert.deepEqual(
        times.map(({ time, entry }) => [time, entry.defcount]),
        [
            [1000, 1],
            [1001, 2]
        ]
    );
});

test('An entry that is shortened or reduced keeps its attempt', () => {
    const hostile = new Proxy(entryOf('001'), {
        ownKeys: () => {
            throw new Error('no');
        }
    });
    for (const entry of [entryOf('001', 'ACCEPTED', { s: '\0'.repeat(5e6) }), hostile]) {
        assert.equal(kept([delivery('001', { _deferred: { count: 4 } })], entry).defcount, 5);
    }
});

test('A process knows its own deliveries only', async t => {
    const collector = await Collector.start(t);
    const settings = { url: collector.url, spool: temporaryFolder(t) };
    const [one, other] = [await Mta.start(t, settings), await Mta.start(t, settings)];
    await one.fetch([{ id: 'p', seq: '001', _deferred: { count: 2 } }]);
    await other.fetch([{ id: 'q', seq: '001' }]);
    await other.emit(['p', 'q'], { zone: 'other' });
    await one.emit(['p', 'q'], { zone: 'one' });
    await until('all', () => collector.events.length === 4);
    const found = collector.events.map(({ entry }) => [entry.zone, entry.id, entry.defcount]);
    assert.deepEqual(found.sort(), [
        ['one', 'p', 3],
        ['one', 'q', undefined],
        ['other', 'p', undefined],
        ['other', 'q', 1]
    ]);
});

test('A delivery of any type stops neither ZoneMTA nor the next delivery', async t => {
    const collector = await Collector.start(t);
    const mta = await Mta.start(t, { url: collector.url, spool: temporaryFolder(t) });
    await mta.fetch([null, 'text', {}, { id: {}, seq: [] }, { id: 5, seq: 1 }, delivery('001', { _deferred: 'x' })]);
    await mta.emit(['a']);
    await until('the event', () => collector.has(['a']));
    assert.equal(collector.events[0].entry.defcount, 1);
    assert.deepEqual([mta.exit, mta.errors], [null, '']);
});
