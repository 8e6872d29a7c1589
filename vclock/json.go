package vclock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// eachMember reads a JSON object, and calls value for each name in it, to read what it stands for. Package json would
// take the last of two that have the same name, and would read what is not UTF-8 as U+FFFD, so that other
// names become the same. Both are errors here.
func eachMember(b []byte, value func(d *json.Decoder, name string) error) error {
	if !utf8.Valid(b) {
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return notJSON(d, "want an object", err)
	}
	seen := map[string]struct{}{}
	for d.More() {
		t, err := d.Token()
		name, _ := t.(string) // a name is all that can be here
		if err != nil {
			return notJSON(d, "want a name", err)
		}
		if _, twice := seen[name]; twice {
			return fmt.Errorf("byte %d: %q twice", d.InputOffset(), name)
		}
		seen[name] = struct{}{}
		if err := value(d, name); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notJSON(d, "want }", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("byte %d: more after the end", d.InputOffset())
	}
	return nil
}

func notJSON(d *json.Decoder, want string, err error) error {
	if err == nil {
		return fmt.Errorf("byte %d: %s", d.InputOffset(), want)
	}
	return fmt.Errorf("byte %d: %s: %w", d.InputOffset(), want, err)
}

// parseCounts reads a JSON object of whole numbers.
func parseCounts(b []byte) (map[ID]uint64, error) {
	counts := map[ID]uint64{}
	err := eachMember(b, func(d *json.Decoder, name string) error {
		d.UseNumber()
		t, err := d.Token()
		number, is := t.(json.Number)
		if err != nil || !is {
			return notJSON(d, fmt.Sprintf("want a number for %q", name), err)
		}
		if counts[ID(name)], err = strconv.ParseUint(number.String(), 10, 64); err != nil {
			return fmt.Errorf("byte %d: %q: %s is no whole number of 64 bits", d.InputOffset(), name, number)
		}
		return nil
	})
	return counts, err
}
