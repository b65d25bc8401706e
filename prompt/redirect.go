package prompt

import (
	"fmt"
	"strings"
)

// Deleted is the whole answer of a model that wants a region to be gone. Nothing at all would look just like an answer
// that was cut off, filtered or forgotten.
const Deleted = "<deleted/>"

// Moment is when the user has something more to say about an edit.
type Moment int

const (
	Underway   Moment = iota // the model was still writing
	Written                  // the edit is in the file
	TakenBack                // the user has taken it back and wants another one
	SecondLook               // another model has written it, and this one is to look at it again
)

// FollowUp is what the user says to a model about an edit that it knows: the request is the conversation so far, and
// this message behind it.
type FollowUp struct {
	Moment      Moment
	Format      Format
	Region      string   // as the file holds it now
	Same        bool     // that is what the model has written last, and need not be said again
	Accepted    int      // changes that the user has accepted one by one
	Rejected    []string // the new text of those that the user has taken back one by one
	Instruction string   // in the user's words; may be "" for TakenBack
}

// Message is what the model reads.
func (f FollowUp) Message() Message {
	var b strings.Builder
	switch f.Moment {
	case Underway:
		b.WriteString("The user has stopped you.\n")
	case Written:
		b.WriteString("This was written to the file.\n")
	case TakenBack:
		b.WriteString("The user has taken this back. Do it in another way.\n")
	case SecondLook:
		b.WriteString("This was written to the file, in haste. Look at it again: is it right, is it all that was asked for, and nothing more? If so, answer with it as it is.\n")
	}
	if f.Accepted > 0 {
		fmt.Fprintf(&b, "The user has accepted %d of the changes by hand; leave those as they are.\n", f.Accepted)
	}
	for _, text := range f.Rejected {
		b.WriteString("The user did not want this part of it, and has taken it back; do not write it again:\n<refused>\n")
		b.WriteString(ended(modelText(text)))
		b.WriteString("</refused>\n")
	}
	if f.Same {
		b.WriteString("The region reads as you have written it.\n")
	} else {
		b.WriteString("The region reads as follows now, with what the user has typed meanwhile:\n" + RegionOpen + "\n")
		b.WriteString(ended(modelText(f.Region)))
		b.WriteString(RegionClose + "\n")
	}
	if f.Instruction != "" {
		b.WriteString("\nInstruction: " + strings.TrimSpace(f.Instruction) + "\n")
	}
	if f.Format == Hunks {
		b.WriteString("\nAnswer with hunks, in the same format, for the text as it is now.\n")
	} else {
		b.WriteString("\nAnswer with the whole text that replaces this region, from its first line to its last.\n")
	}
	return Message{User, b.String()}
}

// ended is a text whose last line has an end.
func ended(s string) string {
	if s == "" || strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}
