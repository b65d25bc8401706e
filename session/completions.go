package session

import "strings"

// completionsRequest is POST /completions with the fill-in-the-middle tokens written out in the prompt:
// vLLM refuses "suffix", SGLang needs a start-up flag for it, and both pass special tokens through.
type completionsRequest struct {
	Model       string   `json:"model"`
	Prompt      string   `json:"prompt"`
	MaxTokens   int      `json:"max_tokens,omitempty"`
	Temperature float64  `json:"temperature"`
	Stream      bool     `json:"stream"`
	Stop        []string `json:"stop"`
}

// template is how a family of models wants its fill-in-the-middle prompt.
type template struct {
	name                   string
	prefix, suffix, middle string
	file                   string   // before the path of another file; "" when the family was not trained on that
	stop                   []string // never part of an answer
	models                 []string // in the names of its models
}

// Templates are the names that Config.Template may have.
func Templates() []string {
	var names []string
	for _, t := range templates {
		names = append(names, t.name)
	}
	return names
}

// templates are from the model cards.
var templates = []template{
	{
		name: "qwen", prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>", file: "<|file_sep|>",
		stop:   []string{"<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|fim_prefix|>"},
		models: []string{"qwen"},
	},
	{
		name: "starcoder", prefix: "<fim_prefix>", suffix: "<fim_suffix>", middle: "<fim_middle>", file: "<file_sep>",
		stop:   []string{"<|endoftext|>", "<file_sep>", "<fim_prefix>"},
		models: []string{"starcoder"},
	},
	{
		name: "codellama", prefix: "<PRE> ", suffix: " <SUF>", middle: " <MID>",
		stop:   []string{"<EOT>", "<PRE>"},
		models: []string{"codellama", "code-llama"},
	},
	{
		name: "deepseek", prefix: "<｜fim▁begin｜>", suffix: "<｜fim▁hole｜>", middle: "<｜fim▁end｜>",
		stop:   []string{"<｜end▁of▁sentence｜>", "<｜fim▁begin｜>"},
		models: []string{"deepseek"},
	},
}

func templateFor(name, model string) *template {
	model = strings.ToLower(model)
	for i := range templates {
		t := &templates[i]
		if name == t.name {
			return t
		}
		for _, m := range t.models {
			if name == "" && strings.Contains(model, m) {
				return t
			}
		}
	}
	return nil
}

// render writes the prompt: other files first, which stay the same while the user types, then prefix and
// suffix of this one.
func (t *template) render(f *FIM) string {
	prefix, suffix, extra := f.Window()
	var b strings.Builder
	if t.file != "" && len(extra) > 0 {
		for _, e := range extra {
			b.WriteString(t.file + e.Path + "\n" + e.Text)
			if !strings.HasSuffix(e.Text, "\n") {
				b.WriteByte('\n')
			}
		}
		b.WriteString(t.file + f.Path + "\n")
	}
	b.WriteString(t.prefix + prefix + t.suffix + suffix + t.middle)
	return b.String()
}

func completionsBody(q *question) (any, *failure) {
	if f := fimless(q); f != nil {
		return nil, f
	}
	t := templateFor(q.cfg.Template, q.frame.Model)
	if t == nil {
		return nil, fail(Unsupported, give, nil, "no fill-in-the-middle template for the model %q; name one of %s", q.frame.Model, strings.Join(Templates(), ", "))
	}
	return completionsRequest{
		Model: q.frame.Model, Prompt: t.render(&q.req.FIM), MaxTokens: q.frame.MaxOutputTokens, Stream: true, Stop: t.stop,
	}, nil
}
