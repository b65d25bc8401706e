// Package settings declares everything that can be configured, once: the fields of Options, their defaults,
// what they may hold, and the order in which editor, environment, user file and defaults win. It reads no
// file and knows no editor; callers hand it maps.
package settings

// Options is the configuration in force. It is a value: a change makes a new one. The struct tags are the only
// declaration of a setting:
//
//	key      its name; a dot is a level in JSON and TOML
//	env      its environment variables, tried left to right
//	default  its value when nobody says anything; JSON for what is no plain text
//	oneof    the values it may have; min and max bound numbers
//	scope    who may set it in VS Code: "machine" (the user alone: it decides where code and keys go, or what is
//	         spent), "resource" (a folder may differ), "window" (the default)
//	folder   "yes": the user's file may also set it for one folder; every "resource" may
//	vscode   "-": no setting of the extension
//	editor   "-": never taken from an editor, which mixes what a workspace says into what it sends
//
// The comment above a field is its documentation, in docs/settings.md and in package.json. A list in it describes the
// values of oneof. After a change: go test ./settings -run TestDocsAreFresh -update.
type Options struct {
	// Enabled turns everything off when false: no completion, no action, no connection.
	Enabled bool `key:"enabled" default:"true" scope:"resource"`

	// Provider says who answers, and in which protocol. Naming one is also the consent to automatic completions
	// through it.
	//   - "auto": openai when there is a key, offline otherwise
	//   - "openai": any endpoint that speaks the Responses protocol
	//   - "offline": the embedded engine
	//   - "chat": any endpoint that speaks chat completions
	//   - "llamacpp": a llama.cpp server
	//   - "ollama": Ollama
	//   - "mistral": Mistral's fill-in-the-middle endpoint
	//   - "deepseek": DeepSeek's
	//   - "completions": a server of raw completions, such as vLLM
	Provider string `key:"provider" env:"SPARK_PROVIDER" oneof:"auto,openai,offline,chat,llamacpp,ollama,mistral,deepseek,completions" default:"auto" scope:"machine"`

	// BaseURL is the endpoint as the provider's own clients take it: up to and including /v1 for openai. Without
	// it, a provider's usual address is used. A key is only ever sent to the endpoint named by the
	// key's own source, or to the default when that source names none.
	BaseURL string `key:"baseURL" env:"SPARK_BASE_URL,OPENAI_BASE_URL" default:"https://api.openai.com/v1" scope:"machine"`

	// Model is the model's id at the endpoint.
	Model string `key:"model" env:"SPARK_MODEL" default:"gpt-6.1-sol" scope:"machine"`

	// ServiceTier is sent with every request; the tier that really served is reported after each answer.
	ServiceTier string `key:"serviceTier" env:"SPARK_SERVICE_TIER" oneof:"auto,default,flex,scale,priority,fast,ultrafast" default:"ultrafast" scope:"machine"`

	// ReasoningEffort is how much the model thinks before it answers; "" leaves it to the endpoint.
	ReasoningEffort string `key:"reasoningEffort" env:"SPARK_REASONING_EFFORT" oneof:",none,minimal,low,medium,high,xhigh,max" default:"low" scope:"machine"`

	// Transport is how a Responses endpoint is reached.
	//   - "auto": a WebSocket, and HTTP while that cannot be had
	//   - "websocket": a WebSocket, or nothing
	//   - "http": HTTP, without trying a WebSocket
	Transport string `key:"transport" env:"SPARK_TRANSPORT" oneof:"auto,websocket,http" default:"auto" scope:"machine"`

	// ContextWindow is how many tokens the model reads at most; a request that is longer is refused before it is
	// sent, with the numbers.
	ContextWindow int `key:"contextWindow" env:"SPARK_CONTEXT_WINDOW" min:"1000" max:"2000000" default:"128000" scope:"machine"`

	// DailyTokens is a budget of input and output tokens a day over which automatic completions go to the embedded
	// engine, and say so once; 0 is no budget. What is asked for by hand is always served.
	DailyTokens int `key:"dailyTokens" env:"SPARK_DAILY_TOKENS" min:"0" max:"2000000000" default:"0" scope:"machine"`

	// Delivery is how a streamed edit reaches the buffer.
	//   - "auto": whichever of the others the editor can take without harm
	//   - "final": in one edit at the end
	//   - "hunks": change by change
	//   - "live": as it arrives
	Delivery string `key:"delivery" env:"SPARK_DELIVERY" oneof:"auto,final,hunks,live" default:"auto"`

	// CompletionAutomatic decides about completions nobody asked for by hand.
	//   - "ask": asks once before a key found in the environment is used for them; on otherwise
	//   - "on": they come, also where they cost money
	//   - "off": none
	CompletionAutomatic string `key:"completion.automatic" env:"SPARK_COMPLETION_AUTOMATIC" oneof:"ask,on,off" default:"ask" scope:"machine" folder:"yes"`

	// CompletionLanguages switches automatic completions by language id, as in {"markdown": false, "*": true}; "*"
	// speaks for languages that are not named. Entries of several sources are joined. What is asked for by hand is
	// always answered.
	CompletionLanguages Languages `key:"completion.languages" env:"SPARK_COMPLETION_LANGUAGES" default:"{\"*\": true}" scope:"resource"`

	// CompletionMaxTokens bounds one completion's answer, in tokens.
	CompletionMaxTokens int `key:"completion.maxTokens" env:"SPARK_COMPLETION_MAX_TOKENS" min:"1" max:"2000" default:"200" scope:"resource"`

	// CompletionProvider is who answers completions; "" is "provider". "offline" leaves them to the embedded engine
	// while edits go to a model.
	CompletionProvider string `key:"completion.provider" env:"SPARK_COMPLETION_PROVIDER" oneof:",openai,offline,chat,llamacpp,ollama,mistral,deepseek,completions" default:"" scope:"machine"`

	// CompletionBaseURL is the endpoint for completions; "" is baseURL, or the usual address of completion.provider
	// where that is named.
	CompletionBaseURL string `key:"completion.baseURL" env:"SPARK_COMPLETION_BASE_URL" default:"" scope:"machine"`

	// CompletionModel is the model for completions; "" is "model".
	CompletionModel string `key:"completion.model" env:"SPARK_COMPLETION_MODEL" default:"" scope:"machine"`

	// CompletionServiceTier is the tier for completions; "" is serviceTier.
	CompletionServiceTier string `key:"completion.serviceTier" env:"SPARK_COMPLETION_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:"" scope:"machine"`

	// EditProvider is who answers edits; "" is "provider".
	EditProvider string `key:"edit.provider" env:"SPARK_EDIT_PROVIDER" oneof:",openai,offline,chat" default:"" scope:"machine"`

	// EditBaseURL is the endpoint for edits; "" is baseURL.
	EditBaseURL string `key:"edit.baseURL" env:"SPARK_EDIT_BASE_URL" default:"" scope:"machine"`

	// EditModel is the model for edits; "" is "model".
	EditModel string `key:"edit.model" env:"SPARK_EDIT_MODEL" default:"" scope:"machine"`

	// EditServiceTier is the tier for edits; "" is serviceTier.
	EditServiceTier string `key:"edit.serviceTier" env:"SPARK_EDIT_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:"" scope:"machine"`

	// EditCandidates is how many answers an edit asks for at once. They are checked in the process (they apply, brackets
	// balance, Go and JSON parse), the best is shown, and the others are a code action away. Each is paid for.
	EditCandidates int `key:"edit.candidates" env:"SPARK_EDIT_CANDIDATES" min:"1" max:"4" default:"1" scope:"machine"`

	// EditSecondLook has the deep model look at every edit of a selection when it is written. What it would do otherwise
	// is offered, and never done unasked.
	EditSecondLook bool `key:"edit.secondLook" env:"SPARK_EDIT_SECOND_LOOK" default:"false" scope:"machine"`

	// DeepProvider is who answers larger tasks in the background; "" is "provider".
	DeepProvider string `key:"deep.provider" env:"SPARK_DEEP_PROVIDER" oneof:",openai,offline,chat" default:"" scope:"machine"`

	// DeepBaseURL is the endpoint for larger tasks in the background; "" is baseURL.
	DeepBaseURL string `key:"deep.baseURL" env:"SPARK_DEEP_BASE_URL" default:"" scope:"machine"`

	// DeepModel is the model for larger tasks in the background; "" is "model".
	DeepModel string `key:"deep.model" env:"SPARK_DEEP_MODEL" default:"" scope:"machine"`

	// DeepServiceTier is the tier for larger tasks in the background; "" is serviceTier.
	DeepServiceTier string `key:"deep.serviceTier" env:"SPARK_DEEP_SERVICE_TIER" oneof:",auto,default,flex,scale,priority,fast,ultrafast" default:"" scope:"machine"`

	// Actions are code actions of your own: a list of tables with a title, an instruction for the model, and, where
	// wanted, a kind ("refactor.rewrite" if none is given), the languages (ids) in which it is offered, and the
	// context that it is sent with. Lists of several sources are joined; of two with the same title the stronger
	// source's is taken.
	Actions []Action `key:"actions" default:"[]"`

	// Rules are your own words for the model, sent with every prompt: how you want code to be written. A
	// repository's own instructions belong into its AGENTS.md.
	Rules string `key:"rules" default:"" scope:"machine"`

	// ContextInstructions lets a repository's own instructions stand in prompts, as notes: AGENTS.md,
	// .github/copilot-instructions.md, CLAUDE.md or .cursorrules, whichever is nearest to the file.
	ContextInstructions bool `key:"context.instructions" default:"true"`

	// ContextDefinitions lets definitions of what is named near the cursor stand in prompts, from other files of
	// the workspace.
	ContextDefinitions bool `key:"context.definitions" default:"true"`

	// ContextSimilar lets passages of other open documents stand in prompts that resemble the place of the cursor.
	ContextSimilar bool `key:"context.similar" default:"true"`

	// ContextEdits lets the latest edits stand in prompts, those of other open documents too.
	ContextEdits bool `key:"context.edits" default:"true"`

	// ContextSnapshot sends a file that is being edited once, as a whole where it is not too large, and keeps it
	// ready at the endpoint, so that each key sends only what has changed since. It needs a Responses endpoint.
	ContextSnapshot bool `key:"context.snapshot" default:"true"`

	// ContextCompletionTokens bounds what instructions and other files add to the prompt of a completion, tokens.
	ContextCompletionTokens int `key:"context.completionTokens" min:"1" max:"100000" default:"2000"`

	// ContextEditTokens bounds what they add to the prompt of anything else, tokens.
	ContextEditTokens int `key:"context.editTokens" min:"1" max:"100000" default:"8000"`

	// ContextWarmTokens bounds the tokens an hour that are spent on keeping files ready at the endpoint.
	ContextWarmTokens int `key:"context.warmTokens" min:"0" max:"100000000" default:"400000"`

	// PrivacySecrets says what becomes of keys, tokens and passwords in the text that goes to a model.
	//   - "mask": placeholders take their place on the way out, and are replaced by them again on the way in
	//   - "off": they are sent
	PrivacySecrets string `key:"privacy.secrets" env:"SPARK_PRIVACY_SECRETS" oneof:"mask,off" default:"mask" scope:"machine" editor:"-" vscode:"-"`

	// PrivacyAllow are values that are no secrets although they look like some, in which a star stands for anything,
	// and names of rules that shall find nothing. What is masked in a prompt, and by which rule, is shown by
	// "spark-lsp prompt".
	PrivacyAllow []string `key:"privacy.allow" env:"SPARK_PRIVACY_ALLOW" default:"[]" scope:"machine" editor:"-" vscode:"-"`

	// PrivacyRead are files that may be read and sent although an ignore file or the built-in list closes them, in
	// the language of .gitignore, relative to each workspace folder.
	PrivacyRead []string `key:"privacy.read" default:"[]" scope:"machine" editor:"-" vscode:"-"`

	// PrivacyIgnore are further files that are neither read nor sent, in the same language. Lists of several sources
	// are joined, the user file's last: an editor or a workspace can close more, and open nothing that you have closed.
	PrivacyIgnore []string `key:"privacy.ignore" join:"yes" default:"[]"`

	// PrivacyInvisible says what becomes of an answer with characters in it that cannot be seen or that reorder a
	// line for the eye: code can be hidden in them, or look like other code.
	//   - "refuse": it ends there, in words
	//   - "allow": it is taken
	PrivacyInvisible string `key:"privacy.invisible" env:"SPARK_PRIVACY_INVISIBLE" oneof:"refuse,allow" default:"refuse" scope:"machine" editor:"-" vscode:"-"`

	// Undojoin is set by the Neovim configuration whose applyEdit handler joins the edits of one action into
	// one undo step; it allows live delivery there.
	Undojoin bool `key:"undojoin" default:"false" vscode:"-"`
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
