package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
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

// compactions carries out what callers of Compact ask for and what the policy picks,
// one after the other, until the store is closed or has failed.
func (d *DB) compactions() {
	defer d.background.Done()
	for {
		v := d.state.Load().version
		task, inputs, err := d.pick(v)
		d.mu.Lock()
		for err == nil && len(inputs) == 0 && d.refusal() == nil && len(d.manual) == 0 && d.state.Load().version == v {
			d.wake.Wait()
		}
		if d.refusal() != nil {
			d.refuse()
			d.mu.Unlock()
			return
		}
		var asked *request
		if len(d.manual) > 0 {
			asked, d.manual = d.manual[0], d.manual[1:]
		}
		d.mu.Unlock()
		switch {
		case err != nil:
		case asked != nil:
			err = d.compactDown(asked)
		default:
			err = d.compact(task.Level, task.Output, inputs)
		}
		switch {
		case errors.Is(err, errStopped):
			err = ErrClosed
		case err != nil:
			err = d.fail(d.damage(err))
		}
		if asked != nil {
			asked.done <- err
		}
	}
}

// refuse answers those who wait for a compaction that will not come. The caller holds
// mu.
func (d *DB) refuse() {
	for _, r := range d.manual {
		r.done <- d.refusal()
	}
	d.manual = nil
}

// pick asks the policy, which may be the user's and so is called under no lock. It
// returns the tables of the task; none if there is nothing to do.
func (d *DB) pick(v *version) (Task, []*table, error) {
	task, ok := d.options.Policy.Pick(d.layout(v))
	if !ok {
		return Task{}, nil, nil
	}
	inputs, err := v.check(task)
	if err != nil {
		err = fmt.Errorf("lsm: the policy has picked what cannot be: tables %d from level %d to %d: %w", task.Tables, task.Level, task.Output, err)
	}
	return task, inputs, err
}

// What is wrong with a task.
var (
	errNoLevel  = errors.New("no such levels")
	errNoTable  = errors.New("no such tables")
	errHoles    = errors.New("tables between them are left out")
	errLeftOut  = errors.New("an older table of level 0 with the same keys is left out")
	errJumpOver = errors.New("a level between has the same keys")
)

// check returns the tables of a task. Merging them must leave the order of ages as it
// is: nothing may come to lie above what is newer, or beside what overlaps.
func (v *version) check(t Task) (inputs []*table, err error) {
	if t.Level < 0 || t.Level > t.Output || t.Output >= numLevels {
		return nil, errNoLevel
	}
	level := v.levels[t.Level]
	first, end := len(level), 0
	for i, table := range level {
		if slices.Contains(t.Tables, table.number) {
			inputs = append(inputs, table)
			first, end = min(first, i), i+1
		}
	}
	if len(inputs) == 0 || len(inputs) != len(t.Tables) {
		return nil, errNoTable
	}
	if t.Level == t.Output {
		if end-first != len(inputs) {
			return nil, errHoles
		}
		return inputs, nil
	}
	smallest, largest := span(inputs)
	if t.Level == 0 && len(overlapping(level[first:], smallest, largest)) != len(inputs) {
		return nil, errLeftOut
	}
	for between := t.Level + 1; between < t.Output; between++ {
		if len(overlapping(v.levels[between], smallest, largest)) > 0 {
			return nil, errJumpOver
		}
	}
	return inputs, nil
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
		if err := d.install(e, nil); err != nil {
			return err
		}
		d.counters.moves.Add(uint64(len(inputs)))
		return nil
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
		db:        d,
		category:  categoryCompact,
		source:    newMerge(sources),
		snapshots: d.seen(),
		below: func(key []byte) bool {
			if to == 0 && slices.ContainsFunc(v.levels[0], func(t *table) bool {
				return bytes.Compare(t.smallest, key) <= 0 && bytes.Compare(t.largest, key) >= 0 && !slices.Contains(inputs, t)
			}) {
				return true // perhaps newer, perhaps not
			}
			for _, tables := range v.levels[to+1:] {
				if len(find(tables, key)) > 0 {
					return true
				}
			}
			return false
		},
		size: d.options.TableSize,
	}
	if to == 0 {
		m.size = 0 // several would have ages that overlap
	}
	return m.run()
}

// request is a Compact that waits.
type request struct {
	lo, hi []byte
	done   chan error
	given  atomic.Bool // up, since nobody waits any more
}

// Compact merges everything that has keys from lo to hi down to the last level, so
// that what was deleted or overwritten there takes no space any more, but for what
// a snapshot sees; nil stands for the end of the keys. It flushes first. If ctx ends,
// Compact returns, and what it has asked for ends with the table that is being merged.
// Writers go on meanwhile, but may have to wait for the merge of level 0.
func (d *DB) Compact(ctx context.Context, lo, hi []byte) error {
	if err := d.flushAll(ctx); err != nil {
		return err
	}
	r := &request{lo: lo, hi: hi, done: make(chan error, 1)}
	d.mu.Lock()
	if err := d.refusal(); err != nil {
		d.mu.Unlock()
		return err
	}
	d.manual = append(d.manual, r)
	d.wake.Broadcast()
	d.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		r.given.Store(true)
		return ctx.Err()
	}
}

// compactDown does what a request asks for: level by level, and in the last one those
// tables that have something to drop.
func (d *DB) compactDown(r *request) error {
	const last = numLevels - 1
	for level := range last {
		if err := d.compactLevel(r, level); err != nil {
			return err
		}
	}
	// One by one: merged with another, a table could come to span those between.
	for _, t := range overlapping(d.state.Load().version.levels[last], r.lo, r.hi) {
		if t.props.Deletes == 0 && t.props.Keys == t.props.Entries || !d.has(last, t) {
			continue
		}
		if r.given.Load() {
			return nil
		}
		if err := d.compact(last, last, []*table{t}); err != nil {
			return err
		}
		if err := d.relieve(); err != nil {
			return err
		}
	}
	return nil
}

// compactLevel merges what a level has in a range into the next one that has something
// there: level 0 at once, and from others, if there is something to merge with, table
// by table, since those who write fill level 0 meanwhile. What comes behind the last
// table that was there at the beginning is newer, and not asked for.
func (d *DB) compactLevel(r *request, level int) error {
	_, hi := span(overlapping(d.state.Load().version.levels[level], r.lo, r.hi))
	for from := r.lo; hi != nil && !r.given.Load(); {
		v := d.state.Load().version
		tables := overlapping(v.levels[level], from, hi)
		if len(tables) == 0 {
			return nil
		}
		if level == 0 {
			tables = v.levels[0]
		}
		to := v.landing(level, tables)
		smallest, largest := span(tables)
		if level > 0 && !movable(level, to, tables, overlapping(v.levels[to], smallest, largest)) {
			tables = tables[:1]
			to = v.landing(level, tables)
			_, largest = span(tables)
		}
		if err := d.compact(level, to, tables); err != nil || level == 0 {
			return err
		}
		if err := d.relieve(); err != nil {
			return err
		}
		from = append(bytes.Clone(largest), 0)
	}
	return nil
}

// landing returns the first level below that has keys of the tables, or the last one.
func (v *version) landing(level int, tables []*table) int {
	smallest, largest := span(tables)
	for level++; level < numLevels-1; level++ {
		if len(overlapping(v.levels[level], smallest, largest)) > 0 {
			break
		}
	}
	return level
}

// has reports whether a table is still in a level.
func (d *DB) has(level int, t *table) bool {
	return slices.Contains(d.state.Load().version.levels[level], t)
}

// relieve merges level 0 if the policy says that this is most urgent.
func (d *DB) relieve() error {
	task, inputs, err := d.pick(d.state.Load().version)
	if err != nil || len(inputs) == 0 || task.Level != 0 {
		return err
	}
	return d.compact(task.Level, task.Output, inputs)
}
