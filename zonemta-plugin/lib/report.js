'use strict';

// The body of a request: the events of one spool, and what its process says of itself.

/**
 * `source` is a spool, own or claimed; without a `batch` the body is a heartbeat. Bytes and oldest event are those left
 * once this body is acknowledged. A line of the spool is an event of the body as it stands. `contexts` are those in
 * which this process has the plugin loaded: the collector joins those of a host's processes, and so sees one that is
 * missing.
 * @param {import('./spool').Source} source
 * @param {import('./spool').Batch | null} batch
 * @param {string} version
 */
function writeBody(source, batch, version) {
    const left = source.remaining(batch);
    const plugin = {
        version,
        process: source.id,
        contexts: source.contexts,
        spool_bytes: left.bytes,
        oldest_unsent: left.oldest,
        dropped: source.dropped + ((batch && batch.unreadable) || 0)
    };
    const head = JSON.stringify({ cluster: source.cluster, host: source.host, plugin });
    return `${head.slice(0, -1)},"events":[${batch ? batch.lines.join(',') : ''}]}`;
}

module.exports = { writeBody };
