package btree

import (
	"bytes"
	"context"
	"fmt"
)

// Compact moves pages from the end of the file into free ones before them, and cuts the
// file off. It does so a few hundred pages at a time, in transactions that change
// nothing else; others come in between. If ctx ends it, the file is shorter by what has
// been done.
func (d *DB) Compact(ctx context.Context) error {
	for before := pageID(0); ; {
		if err := d.Checkpoint(); err != nil {
			return err
		}
		high, goal := d.extent()
		if high <= goal || before != 0 && high >= before {
			return ctx.Err()
		}
		before = high
		if err := d.moveBelow(ctx, goal); err != nil {
			return err
		}
		d.moveMap(goal)
	}
}

// moveMap makes the next checkpoint move the pages of the map from goal on.
func (d *DB) moveMap(goal pageID) {
	d.turn.Lock()
	defer d.turn.Unlock()
	for _, m := range d.mapPages {
		if m.id >= goal { // then there must be a version that no checkpoint has
			d.mapGoal = goal
			d.latest = &version{tx: d.latest.tx + 1, root: d.latest.root, entries: d.latest.entries}
			return
		}
	}
}

// extent returns how many pages the file has, and how many it needs.
func (d *DB) extent() (high, goal pageID) {
	d.turn.Lock()
	defer d.turn.Unlock()
	d.reclaim()
	return d.space.high, pageID(d.space.count - d.space.held)
}

// moveBatch is how many pages a transaction of Compact moves.
const moveBatch = 256

// moveBelow moves all pages of the tree from goal on to lower places, as far as there
// are.
func (d *DB) moveBelow(ctx context.Context, goal pageID) error {
	for key := []byte{}; key != nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := new(Tx)
		if err := d.begin(t); err != nil {
			return err
		}
		m := mover{t: t, goal: goal, left: moveBatch, from: key}
		var err error
		if t.root != 0 {
			var p *page
			if p, err = d.top(t.root, t.id); err == nil {
				_, err = m.move(p)
			}
		}
		if err != nil || len(t.made) == 0 {
			t.Rollback()
		} else {
			err = d.commitMoves(t)
		}
		if err != nil {
			return err
		}
		key = m.next
	}
	return nil
}

// commitMoves is commit for a transaction that the log need not know.
func (d *DB) commitMoves(t *Tx) error {
	t.done = true
	v := d.install(t)
	ticket := d.ticket
	d.turn.Unlock()
	if d.log == nil {
		return d.checkpointUpTo(v.tx)
	}
	if ticket != nil { // readers must not see through it what is before it and not in the log
		if _, err := ticket.Wait(context.Background()); err != nil {
			return d.fail(err)
		}
	}
	d.publish(v)
	return nil
}

// mover is one transaction of Compact. It is not safe for concurrent use.
type mover struct {
	t    *Tx
	goal pageID
	left int    // pages that may be moved yet
	from []byte // no leaf that ends before this key
	next []byte // where the next transaction begins; nil: nowhere
}

// move moves a page and what is below it, and returns the page as it is now.
func (m *mover) move(p *page) (*page, error) {
	if p.isLeaf() {
		return m.moveLeaf(p)
	}
	for i := p.childFor(m.from); i <= p.count(); i++ {
		if m.left <= 0 {
			if m.next == nil {
				m.next = append([]byte{}, p.key(i-1)...)
			}
			break
		}
		c, err := m.t.db.below(p, i)
		if err != nil {
			return nil, err
		}
		moved, err := m.move(c)
		if err != nil {
			return nil, err
		}
		if moved != c {
			if p, err = m.own(p); err != nil {
				return nil, err
			}
			p.setChild(i, moved.id)
		}
		m.from = nil // what follows is behind it
	}
	return m.relocate(p)
}

// moveLeaf moves a leaf and the large values that it refers to.
func (m *mover) moveLeaf(p *page) (_ *page, err error) {
	for i := range p.count() {
		if p.isElsewhere(i) {
			if p, err = m.moveValue(p, i); err != nil {
				return nil, err
			}
		}
	}
	return m.relocate(p)
}

// moveValue writes a large value anew, if it ends behind the goal and there is a place
// before it for as many pieces, so that the reference does not grow.
func (m *mover) moveValue(p *page, i int) (*page, error) {
	d, t := m.t.db, m.t
	old, err := d.decodeReference(p.stored(i))
	if err != nil {
		return nil, d.corrupt(p.id, err)
	}
	if old.end() <= m.goal || old.tx == t.id {
		return p, nil
	}
	value, err := d.readValue(old)
	if err != nil {
		return nil, err
	}
	r, err := t.putElsewhere(value, len(old.runs))
	if err != nil {
		return nil, err
	}
	if r.end() >= old.end() {
		t.freeRuns(r)
		return p, nil
	}
	if p, err = m.own(p); err != nil {
		return nil, err
	}
	t.freeRuns(old)
	m.left -= int(d.valuePages(old.size))
	key := bytes.Clone(p.key(i))
	p.remove(i)
	p.insert(i, leafCell(nil, key, r.encode()), len(key), true)
	return p, nil
}

// relocate moves a page if it is behind the goal, and there is a place before it.
func (m *mover) relocate(p *page) (*page, error) {
	if p.id < m.goal || p.id < m.t.db.space.lowest() {
		return p, nil
	}
	return m.own(p)
}

func (m *mover) own(p *page) (*page, error) {
	q, err := m.t.own(p)
	if err != nil {
		return nil, fmt.Errorf("btree: compaction: %w", err)
	}
	if q != p {
		m.left--
	}
	if p.id == m.t.root {
		m.t.root = q.id
	}
	return q, nil
}
