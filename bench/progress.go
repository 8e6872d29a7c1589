package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// progress tells what is being done, on the error output: on a terminal in one
// line that is written over, otherwise in a line each, so that a log stays
// readable. It is not safe for concurrent use.
type progress struct {
	w     io.Writer
	tty   bool
	begin time.Time
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, begin: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.tty = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return p
}

// show says that done of total steps are done and what comes now.
func (p *progress) show(done, total int, what string) {
	if done == 0 { // another experiment: its steps take another time
		p.begin = time.Now()
	}
	line := fmt.Sprintf("[%d/%d] %s", done+1, total, what)
	if !p.tty {
		fmt.Fprintln(p.w, line)
		return
	}
	const width = 20
	bar := strings.Repeat("█", done*width/total)
	bar += strings.Repeat("░", width-utf8.RuneCountInString(bar))
	left := ""
	if done > 0 {
		rest := time.Since(p.begin) / time.Duration(done) * time.Duration(total-done)
		left = fmt.Sprintf(", about %v left", rest.Round(time.Second))
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s %s%s", bar, line, left)
}

// clear removes the line from a terminal.
func (p *progress) clear() {
	if p.tty {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
