;;; emacs-bridge.el --- stands between a Go test and a real Emacs  -*- lexical-binding: t -*-
;;
;;   emacs -Q --batch -l INIT -l emacs-bridge.el FILE
;;
;; INIT is what a page of docs/editors tells a user to write.  FILE is opened.  Then one form a line on stdin is
;; evaluated, and one line of JSON on stdout, {"result": ...} or {"error": ...}, is its answer.
;;
;; In batch no idle timer runs, and a client that tells of changes when its user pauses would never do so: while a form
;; waits, that is done for it.

(require 'cl-lib)
(require 'json)
(setq make-backup-files nil create-lockfiles nil eglot-sync-connect 15)

;; The languages that Emacs 30 has a mode for without a tree-sitter library do not include Go.
(define-derived-mode go-mode prog-mode "Go" (setq-local comment-start "// "))
(add-to-list 'auto-mode-alist '("\\.go\\'" . go-mode))

(defvar bridge-ended 0 "How often the server has ended a progress, with Eglot.")
(with-eval-after-load 'eglot
  (cl-defmethod eglot-handle-notification :after (_server (_method (eql $/progress)) &key _token value &allow-other-keys)
    (when (equal (plist-get value :kind) "end") (cl-incf bridge-ended))))
(with-eval-after-load 'lsp-mode
  (load "lsp-mode-autoloads")) ; which an installed package does by itself

(defun bridge-eglot-p () (and (fboundp 'eglot-current-server) (eglot-current-server)))

(defun bridge-tell ()
  "Do what the timer does that tells the server of changes."
  (when (bridge-eglot-p) (eglot--signal-textDocument/didChange)))

(defun bridge-wait (what predicate)
  "Wait until PREDICATE holds, at most 15 seconds, and return its value.  WHAT it is goes into the error."
  (let ((deadline (+ (float-time) 15)) value)
    (while (not (setq value (funcall predicate)))
      (when (> (float-time) deadline) (error "Waited in vain for %s" what))
      (accept-process-output nil 0.01)
      (bridge-tell))
    value))

(defun bridge-start ()
  "Do what a look at the buffer does in an Emacs with a screen: start the client that the buffer's hook has deferred."
  (if (fboundp 'lsp)
      (progn (lsp-workspace-folders-add default-directory) ; the answer to the question where the project begins
             (lsp)
             (bridge-wait "the server" (lambda () (seq-some (lambda (w) (eq 'initialized (lsp--workspace-status w))) (lsp-workspaces)))))
    (eglot--maybe-activate-editing-mode)
    (apply #'eglot (eglot--guess-contact)))
  t)

(defun bridge-insert-above (before text)
  "Put the line TEXT above the line that begins with BEFORE, and point on it."
  (goto-char (point-min))
  (re-search-forward (concat "^" (regexp-quote before)))
  (beginning-of-line)
  (insert text "\n")
  (forward-line -1)
  (bridge-tell)
  t)

(defun bridge-select (before lines)
  "Select LINES lines, the first of which begins with BEFORE."
  (transient-mark-mode 1)
  (goto-char (point-min))
  (re-search-forward (concat "^" (regexp-quote before)))
  (beginning-of-line)
  (push-mark (line-beginning-position (1+ lines)) t t)
  t)

(defun bridge-offered ()
  "What is offered for the selection, or at point, as the client has it."
  (if (bridge-eglot-p)
      (let ((region (use-region-p)))
        (eglot-code-actions (if region (region-beginning) (point)) (if region (region-end) (point)) nil nil))
    (lsp-code-actions-at-point)))

(defun bridge-title (action) (if (bridge-eglot-p) (plist-get action :title) (gethash "title" action)))

(defun bridge-actions () (vconcat (mapcar #'bridge-title (bridge-offered))))

(defun bridge-find (title)
  "The action TITLE, once it is offered."
  (bridge-wait title (lambda () (seq-find (lambda (a) (equal (bridge-title a) title)) (bridge-offered)))))

(defun bridge-find-p (title) (and (bridge-find title) t))

(defun bridge-act (title)
  "Run the action TITLE.  It has been answered when this returns, which waits for nothing else."
  (if (bridge-eglot-p)
      (eglot-execute (eglot--current-server-or-lose) (bridge-find title))
    (lsp-execute-code-action (bridge-find title)))
  (deactivate-mark)
  t)

(defun bridge-wait-text (want)
  "The buffer's text, when that is WANT or 15 seconds are over."
  (ignore-errors (bridge-wait "the text" (lambda () (string= want (bridge-text)))))
  (bridge-text))

(defun bridge-text () (buffer-substring-no-properties (point-min) (point-max)))

(defun bridge-undo ()
  "Undo as the key does, once."
  (setq last-command nil)
  (undo)
  t)

(find-file (pop command-line-args-left))
(undo-boundary)
(let (line)
  (while (setq line (ignore-errors (read-from-minibuffer "")))
    (let ((answer (condition-case err
                      (progn (undo-boundary)
                             (list :result (eval (car (read-from-string line)) t)))
                    (error (list :error (error-message-string err))))))
      (princ (concat (decode-coding-string (json-serialize answer :null-object nil :false-object :false) 'utf-8) "\n")))))
(setq kill-emacs-query-functions nil)
