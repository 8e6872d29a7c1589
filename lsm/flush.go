package lsm

import "errors"

// flushes writes full memtables as tables in level 0, the oldest first, until the
// store is closed or has failed. It does not wait for compactions.
func (d *DB) flushes() {
	defer d.background.Done()
	for {
		d.mu.Lock()
		for d.err == nil && !d.closing && len(d.state.Load().full) == 0 {
			d.wake.Wait()
		}
		stop := d.err != nil || d.closing
		d.mu.Unlock()
		if stop {
			return
		}
		full := d.state.Load().full
		oldest := full[len(full)-1]
		if err := d.flush(oldest); errors.Is(err, errStopped) {
			return // the log has it all
		} else if err != nil {
			_ = d.fail(err)
			return
		}
		d.mu.Lock()
		d.tidiedSeq = oldest.lastSeq
		d.wake.Broadcast()
		d.mu.Unlock()
	}
}

// flush writes one memtable. The order is: the table, its name, the manifest, and
// only then the log may forget. A crash between any two leaves a file that nobody
// mentions, which Open removes, or records of the log that are in a table already,
// which Open skips.
func (d *DB) flush(m *fullMemtable) error {
	merge := merger{
		db:        d,
		category:  categoryFlush,
		source:    &memIterator{m: m.memtable},
		snapshots: d.seen(),
		below:     func([]byte) bool { return true },
	}
	tables, err := merge.run()
	if err != nil {
		return err
	}
	e := &edit{lastSeq: m.lastSeq, logIndex: m.logIndex}
	for _, t := range tables {
		e.come = append(e.come, placed{0, t})
	}
	err = d.install(e, func(s *state) { s.full = s.full[: len(s.full)-1 : len(s.full)-1] })
	if err != nil {
		return err
	}
	d.counters.flushes.Add(1)
	d.counters.flushed.Add(uint64(size(tables)))
	d.options.Logger.Info("lsm flushed", "entries", m.count.Load(), "bytes", m.bytes.Load())
	return d.log.TruncateFront(m.logIndex)
}
