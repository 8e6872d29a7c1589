package sst

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// What Verify finds beyond checksums.
var (
	errOrder   = errors.New("entries out of order")
	errOutside = errors.New("an entry outside of its block's part of the keys")
	errFilter  = errors.New("the filter denies a key")
	errCounts  = errors.New("other entries than the properties say")
)

// Verify reads all of the table, past the cache, and reports the first thing that
// is not as a Writer leaves it.
func (t *Table) Verify() error {
	var p Properties
	w := Writer{} // counts as the one did that wrote the table
	var key []byte
	var trailer Trailer
	for i := range t.index.blocks {
		b, err := t.readBlock(i)
		if err != nil {
			return err
		}
		c := cursor{}
		c.load(b)
		for c.first(); c.valid(); c.forward() {
			first := w.props.Entries == 0
			switch {
			case !first && Compare(key, trailer, c.key, c.trailer) >= 0:
				err = fmt.Errorf("%w: %q", errOrder, c.key)
			case bytes.Compare(c.key, t.index.separator(i)) > 0, i > 0 && bytes.Compare(c.key, t.index.separator(i-1)) < 0:
				err = fmt.Errorf("%w: %q", errOutside, c.key)
			case !t.MayContain(HashKey(c.key)):
				err = fmt.Errorf("%w: %q", errFilter, c.key)
			}
			if err != nil {
				return t.blockError(i, err)
			}
			w.count(c.key, c.trailer, c.value, first || !bytes.Equal(key, c.key))
			key, trailer = append(key[:0], c.key...), c.trailer
		}
		if c.err != nil {
			return t.blockError(i, c.err)
		}
	}
	p = w.props
	p.Largest = key
	sum, err := t.sum()
	if err != nil {
		return err
	}
	p.Sum = uint64(sum)
	if !bytes.Equal(AppendProperties(nil, &p), AppendProperties(nil, &t.props)) {
		return t.corrupt("properties", t.size, errCounts)
	}
	return nil
}

// sum reads the checksums of all frames before the properties.
func (t *Table) sum() (sum uint32, err error) {
	for _, h := range slices.Concat(t.index.blocks, t.others) {
		b := make([]byte, 4)
		if _, err := t.file.ReadAt(b, h.end()-4); err != nil {
			return 0, err
		}
		sum = addSum(sum, b)
	}
	return sum, nil
}
