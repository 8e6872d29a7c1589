package lsm

import (
	"bytes"
	"cmp"
	"context"
	"slices"
)

// layout is what the policy sees of a version.
func (d *DB) layout(v *version) Layout {
	l := Layout{MemTableSize: d.options.MemTableSize, TableSize: d.options.TableSize}
	for _, tables := range v.levels {
		infos := make([]TableInfo, len(tables))
		for i, t := range tables {
			infos[i] = TableInfo{t.number, t.size, t.props.Entries, t.props.Deletes, t.smallest, t.largest}
		}
		l.Levels = append(l.Levels, infos)
	}
	return l
}

// compactions carries out what the policy picks, one after the other, until the
// store is closed or has failed.
func (d *DB) compactions() {
	defer d.background.Done()
	for {
		v := d.state.Load().version
		task, ok := d.options.Policy.Pick(d.layout(v)) // it may be the user's: under no lock
		d.mu.Lock()
		for !ok && d.err == nil && !d.closing && len(d.manual) == 0 && d.state.Load().version == v {
			d.wake.Wait()
		}
		stop := d.err != nil || d.closing
		var waiting *request
		if len(d.manual) > 0 {
			waiting = d.manual[0]
		}
		d.mu.Unlock()
		var err error
		switch {
		case stop:
			d.refuse()
			return
		case waiting != nil:
			err = d.compactRange(waiting)
		case ok:
			err = d.compact(task.Level, task.Output, d.chosen(task))
		}
		if err != nil {
			_ = d.fail(d.damage(err))
		}
	}
}

// refuse answers those who wait for a compaction that will not come.
func (d *DB) refuse() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.manual {
		r.done <- cmp.Or(d.err, ErrClosed)
	}
	d.manual = nil
}

// chosen returns the tables of a task.
func (d *DB) chosen(task Task) []*table {
	var tables []*table
	for _, t := range d.state.Load().version.levels[task.Level] {
		if slices.Contains(task.Tables, t.number) {
			tables = append(tables, t)
		}
	}
	return tables
}

// span returns the smallest and the largest key of tables.
func span(tables []*table) (smallest, largest []byte) {
	for _, t := range tables {
		if smallest == nil || bytes.Compare(t.smallest, smallest) < 0 {
			smallest = t.smallest
		}
		if largest == nil || bytes.Compare(t.largest, largest) > 0 {
			largest = t.largest
		}
	}
	return smallest, largest
}

// compact merges tables of a level, and those of the output level that overlap with
// them, into the output level. Tables with nothing to merge with only move.
func (d *DB) compact(level, to int, inputs []*table) error {
	if len(inputs) == 0 {
		return nil
	}
	v := d.state.Load().version
	smallest, largest := span(inputs)
	var below []*table
	if to != level {
		below = overlapping(v.levels[to], smallest, largest)
	}
	e := &edit{}
	for _, t := range inputs {
		e.gone = append(e.gone, placed{level, t})
	}
	for _, t := range below {
		e.gone = append(e.gone, placed{to, t})
	}
	if movable(level, to, inputs, below) {
		for _, t := range inputs {
			e.come = append(e.come, placed{to, t})
		}
		d.counters.moves.Add(uint64(len(inputs)))
		return d.install(e, nil)
	}
	tables, err := d.mergeTables(v, level, to, inputs, below)
	if err != nil {
		return err
	}
	for _, t := range tables {
		e.come = append(e.come, placed{to, t})
	}
	if err := d.install(e, nil); err != nil {
		return err
	}
	d.counters.compactions.Add(1)
	d.counters.read.Add(uint64(size(inputs) + size(below)))
	d.counters.compacted.Add(uint64(size(tables)))
	d.options.Logger.Info("lsm compacted", "from", level, "to", to, "read", size(inputs)+size(below), "written", size(tables))
	return nil
}

// movable reports whether tables can go to another level as they are: nothing there
// overlaps with them, nor they with each other, and they have no deletions that
// might be dropped.
func movable(level, to int, inputs, below []*table) bool {
	return level != to && len(below) == 0 && (level > 0 || len(inputs) == 1) &&
		!slices.ContainsFunc(inputs, func(t *table) bool { return t.props.Deletes > 0 })
}

func (d *DB) mergeTables(v *version, level, to int, inputs, below []*table) ([]*table, error) {
	var sources []iterator
	if level == 0 {
		for _, t := range inputs {
			sources = append(sources, t.reader.NewIterator())
		}
	} else {
		sources = append(sources, &levelIterator{tables: inputs})
	}
	sources = append(sources, &levelIterator{tables: below})
	m := merger{
		source:    newMerge(sources),
		snapshots: d.seen(),
		below: func(key []byte) bool {
			for _, tables := range v.levels[to+1:] {
				if find(tables, key) != nil {
					return true
				}
			}
			return false
		},
		output: func() (*output, error) { return d.newOutput(categoryCompact) },
		size:   d.options.TableSize,
	}
	return m.run()
}

// request is a Compact that waits.
type request struct {
	lo, hi []byte
	done   chan error
}

// Compact merges everything that has keys from lo to hi down to the last level, so
// that what was deleted or overwritten there takes no space any more, but for what
// a snapshot sees; nil stands for the end of the keys. It flushes first. If ctx
// ends, Compact returns, and what has begun goes on.
func (d *DB) Compact(ctx context.Context, lo, hi []byte) error {
	if err := d.Flush(); err != nil {
		return err
	}
	r := &request{lo, hi, make(chan error, 1)}
	d.mu.Lock()
	if d.closing || d.err != nil {
		defer d.mu.Unlock()
		return cmp.Or(d.err, ErrClosed)
	}
	d.manual = append(d.manual, r)
	d.wake.Broadcast()
	d.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// compactRange does what a request asks for: level by level, and in the last one
// those tables that have something to drop.
func (d *DB) compactRange(r *request) error {
	err := d.compactDown(r.lo, r.hi)
	d.mu.Lock()
	d.manual = d.manual[1:]
	d.mu.Unlock()
	r.done <- err
	return err
}

func (d *DB) compactDown(lo, hi []byte) error {
	const last = numLevels - 1
	for level := range last {
		tables := overlapping(d.state.Load().version.levels[level], lo, hi)
		if level == 0 && len(tables) > 0 {
			tables = d.state.Load().version.levels[0]
		}
		if err := d.compact(level, level+1, tables); err != nil {
			return err
		}
	}
	// One by one: merged with another, a table could come to span those between.
	for _, t := range overlapping(d.state.Load().version.levels[last], lo, hi) {
		if t.props.Deletes == 0 && t.props.Keys == t.props.Entries {
			continue
		}
		if err := d.compact(last, last, []*table{t}); err != nil {
			return err
		}
	}
	return nil
}
