package cachesim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Recorded traces come from people who wrote them down for themselves, with
// tools that are gone. So a parser here is strict: it would rather refuse a
// file than simulate something that nobody recorded. A file read in the wrong
// format is the common mistake, and strictness is what notices it.

const (
	longestLine = 1 << 20
	// longestRun bounds the blocks of one request in the ARC format: half a
	// gigabyte of 512-byte blocks. What is larger is damage, or another format.
	longestRun = 1 << 20
)

// parser reads one trace. A parser is used once.
type parser struct {
	src   *bufio.Reader
	limit int // of requests
	trace Trace
}

func (p *parser) parse(f Format) error {
	switch f {
	case ARC:
		return p.lines(p.arc)
	case LIRS:
		return p.lines(p.lirs)
	case BE64:
		return p.binary(8)
	case BE32:
		return p.binary(4)
	case Lines:
		numbers := make(map[string]uint64)
		return p.lines(func(line string) error { return p.line(numbers, line) })
	}
	return fmt.Errorf("format %v, want one of arc, lirs, be64, be32, lines", f)
}

// lines hands each line that is not blank to parse, without space around it.
func (p *parser) lines(parse func(string) error) error {
	s := bufio.NewScanner(p.src)
	s.Buffer(make([]byte, 0, 64<<10), longestLine)
	n := 1
	// When reading fails, Scan still returns the part of a line before that:
	// Err is set already, and the part means nothing.
	for ; s.Scan() && s.Err() == nil; n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" {
			continue
		}
		if err := parse(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d: longer than %d bytes", n, longestLine)
	case err != nil:
		return fmt.Errorf("line %d: %w", n, err)
	}
	return nil
}

// arc parses `start count ignored request`. A count of 0 asks for nothing.
func (p *parser) arc(line string) error {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return fmt.Errorf("%d words, want 4: start count ignored request", len(fields))
	}
	start, err := number("start", fields[0], math.MaxUint64)
	if err != nil {
		return err
	}
	count, err := number("count", fields[1], longestRun)
	if err != nil {
		return err
	}
	if count > 0 && start > math.MaxUint64-(count-1) {
		return fmt.Errorf("start %d and count %d go beyond 64 bits", start, count)
	}
	for i := range count {
		if err := p.add(start + i); err != nil {
			return err
		}
	}
	return nil
}

// lirs parses a key, or skips a mark.
func (p *parser) lirs(line string) error {
	if line[0] == '*' {
		return nil
	}
	key, err := number("key", line, math.MaxUint64)
	if err != nil {
		return err
	}
	return p.add(key)
}

// line numbers the lines. The numbers take more memory than a hash of each
// line would; in return two keys are never taken for one.
func (p *parser) line(numbers map[string]uint64, line string) error {
	n, ok := numbers[line]
	if !ok {
		n = uint64(len(numbers))
		numbers[line] = n
	}
	return p.add(n)
}

// binary reads keys of so many bytes.
func (p *parser) binary(width int) error {
	buf := make([]byte, width)
	for offset := 0; ; offset += width {
		n, err := io.ReadFull(p.src, buf)
		switch {
		case err == io.EOF: // and nothing was read
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && p.atEnd():
			return fmt.Errorf("byte %d: %d bytes left, want a key of %d", offset, n, width)
		case err != nil:
			return fmt.Errorf("byte %d: %w", offset+n, err)
		}
		var key uint64
		for _, b := range buf {
			key = key<<8 | uint64(b)
		}
		if err := p.add(key); err != nil {
			return fmt.Errorf("byte %d: %w", offset, err)
		}
	}
}

// atEnd tells half a key from a gzip file that was cut off: both come as
// ErrUnexpectedEOF, but gzip repeats it while the end of a file is io.EOF.
func (p *parser) atEnd() bool {
	_, err := p.src.ReadByte()
	return err == io.EOF
}

func (p *parser) add(key uint64) error {
	if len(p.trace) >= p.limit {
		return fmt.Errorf("more than %d requests: cut the trace", p.limit)
	}
	p.trace = append(p.trace, key)
	return nil
}

// number parses a whole number from 0 to most.
func number(name, word string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil || n > most {
		if len(word) > 40 {
			word = word[:40] + "…"
		}
		return 0, fmt.Errorf("%s is %q, want a whole number from 0 to %d", name, word, most)
	}
	return n, nil
}
