package btree

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// What Verify finds beyond what reading does.
var (
	errOrder   = errors.New("keys out of order")
	errTwice   = errors.New("the page is used twice")
	errMap     = errors.New("the map says something else")
	errEntries = errors.New("another number of entries")
)

// Verify reads the whole store in dir, without changing anything: every page of the
// tree, the large values, the map of free pages, the log. It returns nil if all of it is
// as the store has left it, whether closed or crashed. Damage is ErrCorrupt, with the
// file and the page. The store must not be open: ErrLocked.
//
// Of the options, FS matters.
func Verify(dir string, o Options) (err error) {
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	d := newDB(dir, o)
	if _, err := o.FS.List(dir); err != nil {
		return fmt.Errorf("btree: no store in %s: %w", dir, err)
	}
	if err := d.lockDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.abandon()) }()
	if d.file, err = o.FS.Open(d.filePath(), vfs.ReadOnly, categoryTree); err != nil {
		d.file = nil
		return errors.Join(d.checkNoLog(), fmt.Errorf("btree: no store in %s: %w", dir, err))
	}
	if err := d.verifyFile(); err != nil {
		return err
	}
	return d.verifyLog()
}

// verifyLog reads the log to see that it could be replayed.
func (d *DB) verifyLog() error {
	has, err := d.hasLog()
	switch {
	case err != nil:
		return err
	case !has && d.last.logs:
		return fmt.Errorf("%w: the log of %s is missing", ErrCorrupt, d.dir)
	case !has:
		return nil
	}
	o := wal.Options{FS: d.options.FS}
	first, _, err := wal.Bounds(d.logDir(), o)
	if err != nil {
		return logError(err)
	}
	if err := d.checkStart(first); err != nil {
		return err
	}
	tx := d.last.tx
	for r, err := range wal.Records(d.logDir(), o) {
		if err != nil {
			return logError(err)
		}
		if r.Index < d.logIndex {
			continue
		}
		next, err := parseRecord(r.Data, func(bool, []byte, []byte) error { return nil })
		if err == nil && next <= tx {
			err = errBadRecord
		}
		if err != nil {
			return d.badRecord(r.Index, err)
		}
		tx = next
	}
	return nil
}

// verifyFile reads the file that is open.
func (d *DB) verifyFile() error {
	m, err := d.readMeta()
	if err != nil {
		return err
	}
	if err := d.adopt(m); err != nil {
		return err
	}
	v := verifier{db: d}
	for id := range pageID(firstPage) {
		v.seen.take(id)
	}
	for _, place := range d.mapPages {
		if place.id != 0 {
			if err := v.see(place.id); err != nil {
				return err
			}
		}
	}
	if m.root != 0 {
		p, err := d.top(m.root, m.tx)
		if err == nil {
			err = v.verify(p, nil, nil)
		}
		if err != nil {
			return err
		}
	}
	if v.entries != m.entries {
		return fmt.Errorf("%w: %s: %w: %d, the meta page says %d", ErrCorrupt, d.filePath(), errEntries, v.entries, m.entries)
	}
	return v.compareMap()
}

// verifier goes through a tree. It is not safe for concurrent use.
type verifier struct {
	db      *DB
	seen    space // only the pages, and how many
	entries uint64
}

// see counts a page as used.
func (v *verifier) see(id pageID) error {
	if v.seen.has(id) {
		return v.db.corrupt(id, errTwice)
	}
	if !v.db.space.has(id) {
		return v.db.corrupt(id, fmt.Errorf("%w: used, and free there", errMap))
	}
	v.seen.take(id)
	return nil
}

// compareMap looks for pages that the map calls used and nobody uses.
func (v *verifier) compareMap() error {
	for i, word := range v.db.space.used {
		var seen uint64
		if i < len(v.seen.used) {
			seen = v.seen.used[i]
		}
		for bit := range 64 {
			if word>>bit&1 != seen>>bit&1 {
				return v.db.corrupt(pageID(i*64+bit), fmt.Errorf("%w: free, and used there", errMap))
			}
		}
	}
	return nil
}

// verify checks a page whose keys must be in [lo, hi), nil for no bound, and what is
// below it.
func (v *verifier) verify(p *page, lo, hi []byte) error {
	if err := v.see(p.id); err != nil {
		return err
	}
	if err := v.verifyPage(p, lo, hi); err != nil {
		return v.db.corrupt(p.id, err)
	}
	n := p.count()
	if p.isLeaf() {
		v.entries += uint64(n)
		return v.verifyValues(p)
	}
	for i := 0; i <= n; i++ {
		from, to := lo, hi
		if i > 0 {
			from = p.key(i - 1)
		}
		if i < n {
			to = p.key(i)
		}
		c, err := v.db.below(p, i)
		if err != nil {
			return err
		}
		if err := v.verify(c, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) verifyPage(p *page, lo, hi []byte) error {
	n, cells := p.count(), 0
	for i := range n {
		key := p.key(i)
		switch {
		case i > 0 && bytes.Compare(p.key(i-1), key) >= 0, bytes.Compare(key, lo) < 0, hi != nil && bytes.Compare(key, hi) >= 0:
			return fmt.Errorf("%w: %q", errOrder, key)
		case !bytes.HasPrefix(key, p.key(0)[:p.prefix()]), slotHead(p.slot(i)) != headOf(key[p.prefix():]):
			return fmt.Errorf("%w: head of %q", errMalformed, key)
		}
		cells += p.cellSize(p.slot(i))
	}
	if cells+p.dead() != len(p.data)-p.low() {
		return fmt.Errorf("%w: %d bytes of cells and %d dead of %d", errMalformed, cells, p.dead(), len(p.data)-p.low())
	}
	return nil
}

// verifyValues reads the large values of a leaf.
func (v *verifier) verifyValues(p *page) error {
	for i := range p.count() {
		if !p.isElsewhere(i) {
			continue
		}
		r, err := v.db.decodeReference(p.stored(i))
		if err != nil || r.tx > p.tx {
			return v.db.corrupt(p.id, cmp.Or(err, errBadReference))
		}
		for _, one := range r.runs {
			for id := one.start; id < one.end(); id++ {
				if err := v.see(id); err != nil {
					return err
				}
			}
		}
		if _, err := v.db.readValue(r); err != nil {
			return err
		}
	}
	return nil
}
