package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Lines hands out the lines of a file one by one, and begins again at the
// first when it has come to the end. Empty lines are left out, and the line
// ending ("\n" or "\r\n") is no part of a line. It reads as it goes: the file
// may be larger than memory.
//
// Lines is safe for concurrent use; each line goes to one caller.
type Lines struct {
	max int // immutable: the longest line in bytes

	mu   sync.Mutex
	file *os.File      // guarded by mu
	in   *bufio.Reader // guarded by mu
	line int           // number of the last line read, from 1; guarded by mu
	used bool          // this pass has had a line that is not empty; guarded by mu
}

// What can be wrong with an input file; wrapped with its name.
var (
	ErrNoLines = errors.New("no line in it that is not empty")
	ErrTooLong = errors.New("line too long")
)

// OpenLines opens a file whose lines are at most max bytes long. It is an
// error if that is no regular file, holds no line, or if the first line is too
// long; a later line that is too long is an error of Next.
func OpenLines(name string, max int) (*Lines, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	l := &Lines{max: max, file: f, in: bufio.NewReaderSize(nil, 64<<10)}
	if err := l.probe(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// probe reads the first line and goes back to the start.
func (l *Lines) probe() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file; lines are read more than once", l.file.Name())
	}
	if err := l.rewind(); err != nil {
		return err
	}
	if _, err := l.Next(nil); err != nil {
		return err
	}
	return l.rewind()
}

func (l *Lines) rewind() error {
	l.line, l.used = 0, false
	_, err := l.file.Seek(0, io.SeekStart)
	l.in.Reset(l.file)
	return err
}

// Next returns the next line, in buf if it fits.
func (l *Lines) Next(buf []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		line, err := l.readLine(buf[:0])
		switch {
		case err == io.EOF && !l.used:
			return nil, fmt.Errorf("%s: %w", l.file.Name(), ErrNoLines)
		case err == io.EOF:
			if err := l.rewind(); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, fmt.Errorf("%s:%d: %w", l.file.Name(), l.line, err)
		case len(line) > 0:
			l.used = true
			return line, nil
		}
	}
}

// readLine appends the next line to buf, or returns io.EOF when there is none.
// It holds no more than max bytes of a line, however long that is.
func (l *Lines) readLine(buf []byte) ([]byte, error) {
	for l.line++; ; {
		part, err := l.in.ReadSlice('\n')
		buf = append(buf, part...)
		body := bytes.TrimSuffix(bytes.TrimSuffix(buf, []byte("\n")), []byte("\r"))
		switch {
		case len(body) > l.max:
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, l.max)
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(buf) > 0:
			return body, nil
		case err != nil:
			return nil, err
		}
		return body, nil
	}
}

// Close closes the file.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
