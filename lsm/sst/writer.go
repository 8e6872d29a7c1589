package sst

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/plinth-go/plinth/vfs"
)

// WriterOptions say how a table is written. They are a plain value, a copy: safe
// for concurrent use as long as nobody changes it.
type WriterOptions struct {
	// Number is the table's own. A reader must name the same one.
	Number uint64

	// BlockSize is how many bytes of entries make a block, before compression, up to
	// 16 MiB; 0 stands for 2048. A larger entry makes a block of its own.
	BlockSize int

	// Compression of the blocks. What does not become smaller is not compressed.
	Compression Compression

	// BloomBitsPerKey is the size of the filter; 0 or less for none.
	BloomBitsPerKey float64
}

const (
	defaultBlockSize = 2048
	maxBlockSize     = 16 << 20
	writeSize        = 256 << 10 // bytes that are written at once

	// MaxKeySize and MaxValueSize are the most that an entry may have.
	MaxKeySize   = 64 << 10
	MaxValueSize = maxBlock / 2
)

// Errors of a Writer.
var (
	ErrOrder    = errors.New("sst: entries are not in order")
	ErrTooLarge = errors.New("sst: key or value too large")
	ErrFinished = errors.New("sst: the table is finished")

	errKind = errors.New("sst: an entry of no kind")
)

// Writer writes a table: entries in order, from the first to the last, into a new
// file. After an error it does nothing more; Finish reports it again. It is not
// safe for concurrent use.
type Writer struct {
	file    vfs.File
	options WriterOptions

	buf     []byte // not written yet
	written int64  // bytes of the file
	block   blockBuilder
	index   blockBuilder
	filter  filterBuilder
	open    handle // of the last block that was written, without a separator yet
	key     []byte // of the last entry
	trailer Trailer
	value   []byte // scratch
	sum     uint32 // for the properties
	props   Properties
	err     error // sticky
	done    bool  // finished
}

// NewWriter returns a writer for a new and empty file, which the caller closes.
func NewWriter(file vfs.File, o WriterOptions) *Writer {
	if o.BlockSize <= 0 {
		o.BlockSize = defaultBlockSize
	}
	o.BlockSize = min(o.BlockSize, maxBlockSize)
	return &Writer{
		file:    file,
		options: o,
		filter:  filterBuilder{bitsPerKey: o.BloomBitsPerKey},
	}
}

// Add appends an entry, which must be behind the one before in the order of
// Compare. The writer keeps neither key nor value.
func (w *Writer) Add(key []byte, trailer Trailer, value []byte) error {
	if w.err == nil && w.done {
		return ErrFinished
	}
	if w.err == nil {
		w.err = w.add(key, trailer, value)
	}
	return w.err
}

func (w *Writer) add(key []byte, trailer Trailer, value []byte) error {
	if len(key) > MaxKeySize || len(value) > MaxValueSize {
		return fmt.Errorf("%w: %d and %d bytes, at most %d and %d", ErrTooLarge, len(key), len(value), MaxKeySize, MaxValueSize)
	}
	if trailer.Kind() > Set {
		return fmt.Errorf("%w: %v", errKind, trailer)
	}
	first := w.props.Entries == 0
	if !first && Compare(w.key, w.trailer, key, trailer) >= 0 {
		return fmt.Errorf("%w: %q %v behind %q %v", ErrOrder, key, trailer, w.key, w.trailer)
	}
	if w.open.length > 0 {
		w.closeBlock(w.key, key)
	}
	w.count(key, trailer, value, first || !bytes.Equal(w.key, key))
	w.key, w.trailer = append(w.key[:0], key...), trailer
	w.block.add(key, trailer, value)
	if w.block.size() >= w.options.BlockSize {
		return w.endBlock()
	}
	return nil
}

// count keeps the properties and the filter.
func (w *Writer) count(key []byte, trailer Trailer, value []byte, newKey bool) {
	p := &w.props
	if p.Entries == 0 {
		p.Smallest = bytes.Clone(key)
		p.MinSeq, p.MaxSeq = trailer.Seq(), trailer.Seq()
	}
	if newKey {
		p.Keys++
		w.filter.add(key)
	}
	if trailer.Kind() == Delete {
		p.Deletes++
	}
	p.Entries++
	p.KeyBytes += uint64(len(key))
	p.ValueBytes += uint64(len(value))
	p.MinSeq, p.MaxSeq = min(p.MinSeq, trailer.Seq()), max(p.MaxSeq, trailer.Seq())
}

// endBlock writes the block that is full. Its separator has to wait for the key
// that follows.
func (w *Writer) endBlock() error {
	h, err := w.frame(w.block.finish(), w.options.Compression)
	w.open = h
	w.block.reset()
	return err
}

// closeBlock gives the last block its place in the index: it ends with last, and
// the next begins with next.
func (w *Writer) closeBlock(last, next []byte) {
	s := last
	if !bytes.Equal(last, next) {
		s = separator(last, next)
	}
	w.value = appendHandle(w.value[:0], w.open)
	w.index.add(s, 0, w.value)
	w.open = handle{}
}

// frame adds one to the file and returns where it lies.
func (w *Writer) frame(raw []byte, c Compression) (handle, error) {
	h := handle{offset: w.Size()}
	w.buf = appendFrame(w.buf, raw, c, w.options.Number, h.offset)
	h.length = w.Size() - h.offset
	w.sum = addSum(w.sum, w.buf)
	if len(w.buf) < writeSize {
		return h, nil
	}
	return h, w.flush()
}

// Size returns the bytes of the file so far, those included that are not written
// yet.
func (w *Writer) Size() int64 { return w.written + int64(len(w.buf)) }

func (w *Writer) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.written); err != nil {
		return err
	}
	w.written += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// Finish writes what is left and syncs the file. The table is complete then, and
// on the disk, except for its name. Finishing again does nothing.
func (w *Writer) Finish() (Properties, error) {
	if w.err == nil && !w.done {
		w.done = true
		w.err = w.finish()
	}
	return w.props, w.err
}

func (w *Writer) finish() error {
	w.props.Largest = bytes.Clone(w.key)
	if w.block.count > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if w.open.length > 0 {
		w.closeBlock(w.key, w.key)
	}
	f := footer{filter: w.Size(), number: w.options.Number}
	if filter := w.filter.finish(); filter != nil {
		if _, err := w.frame(filter, None); err != nil {
			return err
		}
	}
	f.index = w.Size()
	if w.index.count > 0 {
		if _, err := w.frame(w.index.finish(), None); err != nil {
			return err
		}
	}
	f.properties = w.Size()
	w.props.Sum = uint64(w.sum)
	if _, err := w.frame(AppendProperties(nil, &w.props), None); err != nil {
		return err
	}
	f.footer = w.Size()
	w.buf = append(w.buf, f.encode()...)
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Sync()
}
