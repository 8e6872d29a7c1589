package sst

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/plinth-go/plinth/vfs"
)

// Errors of a table. They are wrapped with what and where.
var (
	// ErrCorrupt: the file does not hold what was written to it.
	ErrCorrupt = errors.New("sst: corrupt")

	// ErrVersion: the table is of a format that this package does not know.
	ErrVersion = errors.New("sst: unknown version of the format")
)

// BlockID names a block: the table's number above, the block's below.
type BlockID uint64

func blockID(number uint64, i int) BlockID { return BlockID(number<<32 | uint64(uint32(i))) }

// Cache keeps blocks in memory; *cache.Cache[BlockID, *Block] is one. Tables that
// share a cache have different numbers, below 1<<32. An implementation is safe for
// concurrent use.
type Cache interface {
	Get(id BlockID) (*Block, bool)
	Set(id BlockID, block *Block)
}

// Chooser is a Cache that need not be given all that it has not found. A block that it
// does not want costs a Get no memory. An implementation is safe for concurrent use.
type Chooser interface {
	Cache
	Wants(id BlockID) bool // asked at most once after a Get of the cache that has found nothing
}

// Options say how a table is read. They are a plain value, a copy: safe for
// concurrent use as long as nobody changes it.
type Options struct {
	// Number is the one that the table was written with.
	Number uint64

	// Cache keeps blocks between reads; nil for none.
	Cache Cache
}

// Table is a sorted table in a file, which never changes: safe for concurrent use.
// Its index and filter stay in memory.
type Table struct {
	// Immutable after Open.
	file    vfs.File
	options Options
	size    int64
	index   index
	filter  filter
	others  []handle // of the frames of filter and index, those that there are
	props   Properties
}

// Open reads what a table says about itself. The caller closes the file, after
// the last use of the table.
func Open(file vfs.File, o Options) (*Table, error) {
	t := &Table{file: file, options: o}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Table) open() (err error) {
	if t.size, err = t.file.Size(); err != nil {
		return err
	}
	f, err := t.readFooter()
	if err != nil {
		return t.corrupt("footer", t.size-footerSize, err)
	}
	if err := t.readFilter(handle{f.filter, f.index - f.filter}); err != nil {
		return t.corrupt("filter", f.filter, err)
	}
	if err := t.readIndex(handle{f.index, f.properties - f.index}, f.filter); err != nil {
		return t.corrupt("index", f.index, err)
	}
	raw, err := t.read(handle{f.properties, f.footer - f.properties})
	if err == nil {
		t.props, err = ParseProperties(raw)
	}
	if err == nil && (t.props.Entries == 0) != (len(t.index.blocks) == 0) {
		err = errBadProperties
	}
	return t.corrupt("properties", f.properties, err)
}

// corrupt says where an error comes from. What the file system reports is not
// damage of the table.
func (t *Table) corrupt(what string, offset int64, err error) error {
	var io ioError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &io):
		return io.error
	case errors.Is(err, ErrVersion):
		return fmt.Errorf("table %d: %w", t.options.Number, err)
	}
	return fmt.Errorf("%w: table %d, %s at offset %d: %w", ErrCorrupt, t.options.Number, what, offset, err)
}

// errCutShort: the file was longer when it was opened.
var errCutShort = errors.New("the file ends before")

// ioError is an error of the file system.
type ioError struct{ error }

func (t *Table) readFooter() (footer, error) {
	if t.size < footerSize {
		return footer{}, errNoTable
	}
	b := make([]byte, footerSize)
	if _, err := t.file.ReadAt(b, t.size-footerSize); err != nil {
		return footer{}, ioError{err}
	}
	f, err := parseFooter(b, t.size)
	if err == nil && f.number != t.options.Number {
		err = fmt.Errorf("%w: %d", errForeign, f.number)
	}
	return f, err
}

func (t *Table) readFilter(h handle) error {
	if h.length == 0 {
		return nil
	}
	raw, err := t.read(h)
	if err != nil {
		return err
	}
	t.others = append(t.others, h)
	t.filter, err = parseFilter(raw)
	return err
}

// readIndex also checks that the blocks fill the file up to end.
func (t *Table) readIndex(h handle, end int64) error {
	if h.length == 0 && end == 0 {
		return nil // no entries
	}
	raw, err := t.read(h)
	if err != nil {
		return err
	}
	t.others = append(t.others, h)
	if t.index, err = parseIndex(raw); err != nil {
		return err
	}
	if n := len(t.index.blocks); t.index.blocks[n-1].end() != end {
		return errBadIndex
	}
	return nil
}

// read returns what is in a frame, in memory of its own.
func (t *Table) read(h handle) ([]byte, error) {
	var s scratch
	return s.read(t, h)
}

// block returns a block, from the cache if it is there.
func (t *Table) block(i int) (*Block, error) {
	if b, ok := t.cached(i); ok {
		return b, nil
	}
	b, err := t.readBlock(i)
	if err == nil && t.wanted(i) {
		t.options.Cache.Set(blockID(t.options.Number, i), b)
	}
	return b, err
}

func (t *Table) cached(i int) (*Block, bool) {
	if t.options.Cache == nil {
		return nil, false
	}
	return t.options.Cache.Get(blockID(t.options.Number, i))
}

// wanted reports whether the cache should get a block that it does not have.
func (t *Table) wanted(i int) bool {
	if c, ok := t.options.Cache.(Chooser); ok {
		return c.Wants(blockID(t.options.Number, i))
	}
	return t.options.Cache != nil
}

// readBlock returns a block in memory of its own.
func (t *Table) readBlock(i int) (*Block, error) {
	var s scratch
	b, err := s.readBlock(t, i)
	if err != nil {
		return nil, err
	}
	block := *b // without the scratch
	return &block, nil
}

func (t *Table) blockError(i int, err error) error {
	if err == nil {
		return nil
	}
	return t.corrupt(fmt.Sprintf("block %d", i), t.index.blocks[i].offset, err)
}

// Blocks yields the names of the table's blocks, for whoever looks for them in a cache.
func (t *Table) Blocks() iter.Seq[BlockID] {
	return func(yield func(BlockID) bool) {
		for i := range t.index.blocks {
			if !yield(blockID(t.options.Number, i)) {
				return
			}
		}
	}
}

// Properties returns what the table knows about its entries. The keys in it must
// not be changed.
func (t *Table) Properties() Properties { return t.props }

// Size returns the bytes of the file.
func (t *Table) Size() int64 { return t.size }

// MayContain reports whether the table may have an entry of the key with this
// hash (HashKey), without reading anything: no is certain.
func (t *Table) MayContain(hash uint64) bool { return t.filter.mayContain(hash) }

// Get returns the newest entry of a key that is not newer than the sequence
// number; ok is false if there is none. It does not ask the filter. The value is the
// caller's.
func (t *Table) Get(key []byte, seq uint64) (value []byte, trailer Trailer, ok bool, err error) {
	latest := Latest(seq)
	for i := t.index.search(key); i < len(t.index.blocks); i++ {
		value, trailer, found, more, err := t.getIn(i, key, latest)
		if err != nil || found {
			return value, trailer, found, err
		}
		if !more || !bytes.Equal(t.index.separator(i), key) {
			break // only a block that ends with the key leaves it to the next one
		}
	}
	return nil, 0, false, nil
}

// getIn looks in one block.
func (t *Table) getIn(i int, key []byte, latest Trailer) (value []byte, trailer Trailer, found, more bool, err error) {
	b, ok := t.cached(i)
	if !ok {
		s := scratches.Get().(*scratch)
		defer s.giveBack()
		if b, err = s.readBlock(t, i); err != nil {
			return nil, 0, false, false, err
		}
		if t.wanted(i) {
			t.options.Cache.Set(blockID(t.options.Number, i), b.clone())
		}
	}
	e, found, more, err := b.find(key, latest)
	if found {
		value = append(make([]byte, 0, len(e.value)), e.value...)
	}
	return value, e.trailer, found, more, t.blockError(i, err)
}
