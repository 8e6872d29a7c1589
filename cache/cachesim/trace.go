package cachesim

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Trace is the keys that somebody asked for, in their order. All of it lies in
// memory, 8 bytes a request, because Belady's bound needs the future.
//
// It is a plain value: safe for concurrent use as long as nobody changes it.
type Trace []uint64

// Format says how a file holds a trace. Every one may be compressed with gzip,
// which is seen by the first bytes and not by the name.
type Format uint8

const (
	ByName  Format = iota // what FormatOf says of the file's name
	ARC                   // text, `start count ignored request` in a line: blocks start to start+count-1, one after the other
	LIRS                  // text, a whole number in a line; lines that begin with * are marks and ignored
	BE64                  // binary, 8 bytes for each key, the highest first
	BE32                  // binary, 4 bytes for each key, the highest first
	Lines                 // any text: each line is a key. Keys are numbered as they first appear, so no two share a number
	formats               // how many there are
)

func (f Format) String() string {
	switch f {
	case ByName:
		return "by name"
	case ARC:
		return "arc"
	case LIRS:
		return "lirs"
	case BE64:
		return "be64"
	case BE32:
		return "be32"
	case Lines:
		return "lines"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// FormatOf returns the format that a file's name stands for, with or without
// .gz at its end: .arc or .lis, .lirs, .be64, .be32; anything else is Lines.
func FormatOf(name string) Format {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	switch filepath.Ext(name) {
	case ".arc", ".lis":
		return ARC
	case ".lirs":
		return LIRS
	case ".be64":
		return BE64
	case ".be32":
		return BE32
	}
	return Lines
}

// ErrTrace is wrapped by the errors about a trace that cannot be read to its
// end. They name the line, or for a binary trace the byte (of what was
// compressed, not of the file), and say what should have been there.
var ErrTrace = errors.New("cachesim: bad trace")

// Open reads the trace in a file.
func Open(path string, f Format) (Trace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cachesim: %w", err)
	}
	defer file.Close() // only read from: nothing can be lost
	if f == ByName {
		f = FormatOf(path)
	}
	t, err := read(file, f, mostRequests)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTrace, path, err)
	}
	return t, nil
}

// Read reads a trace to the end of r. There is no name to tell the format, so
// ByName is an error here. A trace without a request is an error too: whoever
// measures something with it has the wrong file.
func Read(r io.Reader, f Format) (Trace, error) {
	t, err := read(r, f, mostRequests)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTrace, err)
	}
	return t, nil
}

// Unique returns how many different keys there are. It looks at every request.
func (t Trace) Unique() int {
	seen := make(map[uint64]struct{})
	for _, key := range t {
		seen[key] = struct{}{}
	}
	return len(seen)
}

// mostRequests bounds what a trace takes (2 GiB): a few kilobytes of gzip, or
// a wrong format, would otherwise fill the memory.
const mostRequests = 1 << 28

// gzipMagic are the first bytes of every gzip file: the last says deflate, for
// which there has never been another. A binary trace whose first key begins
// like this has to be compressed to be read; one of 2^24 random ones does.
const gzipMagic = "\x1f\x8b\x08"

// read decompresses where that is needed, and parses.
func read(r io.Reader, f Format, limit int) (Trace, error) {
	src := bufio.NewReaderSize(r, 64<<10)
	// An error of Peek comes again with the first read.
	if start, _ := src.Peek(len(gzipMagic)); bytes.Equal(start, []byte(gzipMagic)) {
		unzipped, err := gzip.NewReader(src)
		if err != nil {
			return nil, err
		}
		src = bufio.NewReaderSize(unzipped, 64<<10)
	}
	p := parser{src: src, limit: limit}
	err := p.parse(f)
	if err == nil && len(p.trace) == 0 {
		err = errors.New("no request in it")
	}
	if err != nil {
		return nil, err
	}
	return p.trace, nil
}
