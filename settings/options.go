// Package settings declares everything that can be configured, once: the fields of Options, their defaults,
// what they may hold, and the order in which editor, environment, user file and defaults win. It reads no
// file and knows no editor; callers hand it maps.
package settings

// Options is the configuration in force. It is a value: a change makes a new one. The struct tags are the
// only declaration of a setting's name ("key"), environment variable ("env", tried left to right) and
// allowed values ("oneof"); the comment above a field is its documentation in docs/settings.md.
type Options struct {
	// Enabled turns everything off when false: no completion, no action, no connection.
	Enabled bool `key:"enabled" default:"true"`

	// Provider says who answers, and in which protocol: "openai" is any endpoint that speaks the Responses
	// protocol, "chat" one that speaks chat completions, "llamacpp" a llama.cpp server, "ollama", "mistral" and
	// "deepseek" those, "completions" a server of raw completions such as vLLM; "offline" is the embedded engine,
	// and "auto" is openai when a key is there and offline otherwise. Naming a provider is also the consent to
	// automatic completions through it.
	Provider string `key:"provider" env:"SPARK_PROVIDER" oneof:"auto,openai,offline,chat,llamacpp,ollama,mistral,deepseek,completions" default:"auto"`

	// Model is the model's id at the endpoint.
	Model string `key:"model" env:"SPARK_MODEL" default:"gpt-6.1-sol"`

	// ServiceTier is sent with every request; the tier that really served is reported after each answer.
	ServiceTier string `key:"serviceTier" env:"SPARK_SERVICE_TIER" oneof:"auto,default,flex,scale,priority,fast,ultrafast" default:"ultrafast"`

	// BaseURL is the endpoint as the provider's own clients take it: up to and including /v1 for openai. Without
	// it, a provider's usual address is used. A key is only ever sent to the endpoint named by the
	// key's own source (environment or user file), or to the default when that source names none.
	BaseURL string `key:"baseURL" env:"SPARK_BASE_URL,OPENAI_BASE_URL" default:"https://api.openai.com/v1"`

	// Delivery is how a streamed edit reaches the buffer: "live" as it arrives, "hunks" change by change,
	// "final" in one edit at the end, "auto" whichever the editor can take without harm.
	Delivery string `key:"delivery" env:"SPARK_DELIVERY" oneof:"auto,final,hunks,live" default:"auto"`

	// CompletionAutomatic decides about completions nobody asked for by hand: "on", "off", or "ask", which
	// asks once before a key found in the environment is used for them.
	CompletionAutomatic string `key:"completion.automatic" env:"SPARK_COMPLETION_AUTOMATIC" oneof:"ask,on,off" default:"ask"`

	// CompletionProvider is who answers completions; "" is provider. "offline" leaves them to the embedded engine
	// while edits go to a model.
	CompletionProvider string `key:"completion.provider" env:"SPARK_COMPLETION_PROVIDER" oneof:",openai,offline,chat,llamacpp,ollama,mistral,deepseek,completions" default:""`

	// CompletionBaseURL is the endpoint for completions; "" is baseURL, or the usual address of completion.provider
	// where that is named.
	CompletionBaseURL string `key:"completion.baseURL" env:"SPARK_COMPLETION_BASE_URL" default:""`

	// CompletionModel is the model for completions; "" is model.
	CompletionModel string `key:"completion.model" env:"SPARK_COMPLETION_MODEL" default:""`

	// CompletionServiceTier is the tier for completions; "" is serviceTier.
	CompletionServiceTier string `key:"completion.serviceTier" env:"SPARK_COMPLETION_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:""`

	// EditProvider is who answers edits; "" is provider.
	EditProvider string `key:"edit.provider" env:"SPARK_EDIT_PROVIDER" oneof:",openai,offline,chat" default:""`

	// EditBaseURL is the endpoint for edits; "" is baseURL.
	EditBaseURL string `key:"edit.baseURL" env:"SPARK_EDIT_BASE_URL" default:""`

	// EditModel is the model for edits; "" is model.
	EditModel string `key:"edit.model" env:"SPARK_EDIT_MODEL" default:""`

	// EditServiceTier is the tier for edits; "" is serviceTier.
	EditServiceTier string `key:"edit.serviceTier" env:"SPARK_EDIT_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:""`

	// DeepProvider is who answers larger tasks in the background; "" is provider.
	DeepProvider string `key:"deep.provider" env:"SPARK_DEEP_PROVIDER" oneof:",openai,offline,chat" default:""`

	// DeepBaseURL is the endpoint for larger tasks in the background; "" is baseURL.
	DeepBaseURL string `key:"deep.baseURL" env:"SPARK_DEEP_BASE_URL" default:""`

	// DeepModel is the model for larger tasks in the background; "" is model.
	DeepModel string `key:"deep.model" env:"SPARK_DEEP_MODEL" default:""`

	// DeepServiceTier is the tier for larger tasks in the background; "" is serviceTier.
	DeepServiceTier string `key:"deep.serviceTier" env:"SPARK_DEEP_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:""`

	// ReasoningEffort is how much the model thinks before it answers; "" leaves it to the endpoint.
	ReasoningEffort string `key:"reasoningEffort" env:"SPARK_REASONING_EFFORT" oneof:",none,minimal,low,medium,high,xhigh,max" default:"low"`

	// Transport is how a Responses endpoint is reached: "websocket" and "http" insist, "auto" takes a WebSocket
	// and falls back to HTTP while that cannot be had.
	Transport string `key:"transport" env:"SPARK_TRANSPORT" oneof:"auto,websocket,http" default:"auto"`

	// ContextWindow is how many tokens the model reads at most; a request that is longer is refused before it is
	// sent, with the numbers.
	ContextWindow int `key:"contextWindow" env:"SPARK_CONTEXT_WINDOW" min:"1000" max:"2000000" default:"128000"`

	// DailyTokens is a budget of input and output tokens a day over which automatic completions go to the embedded
	// engine, and say so once; 0 is no budget. What is asked for by hand is always served.
	DailyTokens int `key:"dailyTokens" env:"SPARK_DAILY_TOKENS" min:"0" max:"2000000000" default:"0"`

	// CompletionMaxTokens bounds one completion's answer, in tokens.
	CompletionMaxTokens int `key:"completion.maxTokens" env:"SPARK_COMPLETION_MAX_TOKENS" min:"1" max:"2000" default:"200"`

	// CompletionLanguages switches automatic completions by language id, as in {"markdown": false, "*": true}; "*"
	// speaks for languages that are not named. Entries of several sources are joined. What is asked for by hand is
	// always answered.
	CompletionLanguages Languages `key:"completion.languages" env:"SPARK_COMPLETION_LANGUAGES" default:"{\"*\": true}"`

	// Actions are code actions of your own: a list of tables with a title, an instruction for the model, and, where
	// wanted, a kind ("refactor.rewrite" if none is given), the languages (ids) in which it is offered, and the
	// context that it is sent with. Lists of several sources are joined; of two with the same title the stronger
	// source's is taken.
	Actions []Action `key:"actions"`

	// Undojoin is set by the Neovim configuration whose applyEdit handler joins the edits of one action into
	// one undo step; it allows live delivery there.
	Undojoin bool `key:"undojoin" default:"false"`
}

// retired names models that endpoints no longer serve, with what to say about them (wire.md section 0).
var retired = map[string]string{
	"gpt-5.3-codex-spark": "gpt-5.3-codex-spark was retired on 14 September 2026; its speed is now a service tier: set model to gpt-6.1-sol and serviceTier to ultrafast",
}

// usualURL is where a provider is found when no address is named. What is not here needs one, or is openai.
var usualURL = map[string]string{
	"openai":   "https://api.openai.com/v1",
	"llamacpp": "http://127.0.0.1:8080",
	"ollama":   "http://127.0.0.1:11434",
	"mistral":  "https://api.mistral.ai/v1",
	"deepseek": "https://api.deepseek.com/beta",
}
