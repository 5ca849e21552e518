# ウィンドウ自身の言葉。

## General
app-name = Nearhand
list-separator = 、
list-empty = なし
seconds = { $n }秒
minutes = { $n }分
hours = { $n }時間
hours-minutes = { $hours }時間{ $minutes }分
tab-help = 助けを求める
tab-code = サポートコード
tab-about = 情報
tab-back = 戻る
connected = 接続済み
not-connected = 未接続
close = 閉じる
cancel = 取り消し
by-program = 今の操作はあなたではなくプログラムが行ったため、無視しました。心当たりがなければ「停止」または「拒否」を押してください。
message-from-agent = お知らせ：{ $text }

## The agent is away
lost-title = サポートサービスを待っています
lost-body = このコンピューターを守る Nearhand の部分が応答していません。その間は、誰もここを見たり操作したりできません。このウィンドウは自動で再接続します。
lost-seeking = 接続しています…

## Which support team
site-title = どこに助けを求めますか？
site-body = サポート担当から「nearhand-site-」で始まる文字列を受け取り、ここに貼り付けてください。自分から連絡した相手のものだけを使ってください。
site-label = サポート担当からの文字列
site-go = 次へ
site-bad = この文字列は使えません。全部コピーしましたか？
site-starting = 開始しています…

## Ask for help
help-title = どうしましたか？
help-body = ご自分の言葉で書いてください。サポート担当がこの文章を読みます。
help-what = 困っていること
help-what-hint = 例：プリンターが印刷しなくなった
help-urgency = どのくらい急ぎますか？
urgency-can-wait = 急ぎません
urgency-hampered = 仕事はできるが支障がある
urgency-stopped = まったく仕事ができない
help-reach = 連絡先
help-reach-hint = 電話番号またはメール（任意）
help-send = 助けを求める
help-looking = このコンピューターの既知の問題を調べています…
help-fixes = ご自分で解決できるかもしれません
help-fixes-body = このコンピューターで今見つかったこと：
help-sent-title = あなたの依頼
help-sending = 依頼はここに保存され、サポート担当に連絡できるようになり次第送られます。
help-ahead = { $n ->
    [0] 次はあなたの番です。
   *[other] あなたの前に{ $n }人います。
}
help-wait = 待ち時間の目安：約{ $time }
help-number = 依頼番号 { $n }
help-taken = { $name } が依頼を受け付けました。
help-taken-body = 接続を求められることがあります。あなたが許可するまで、このコンピューターでは何も起こりません。
help-closed = 依頼は終了しました。
help-refused = 依頼を受け付けられませんでした：{ $why }
help-withdraw = もう助けは必要ありません
help-again = もう一度依頼する

## Support code
code-title = サポートコード
code-body = このコードを、助けてくれる人に読み上げてください。一度だけ使えます。
code-none = 今はコードがありません。
code-left = 有効期限：あと{ $time }
code-copy = コピー
code-copied = コピーしました
code-new = 新しいコード
code-cancel = このコードを取り消す
code-gone = コードは無効になりました：{ $why }
code-warning = 自分から連絡した相手にだけ読み上げてください。正直な人は、助けている間にお金やギフトカード、銀行のログイン情報を求めません。

## Consent
consent-title = 許可しますか？
consent-who = { $organisation } の { $technician } が接続を求めています
consent-reason = 相手が書いた理由
consent-no-reason = 理由は書かれていません。
consent-first = この人に助けてもらうのは初めてです。自分から連絡していなければ「拒否」を押してください。サポート担当から突然電話がかかることはありません。
consent-what = 許可する内容
consent-long = 許可する時間
consent-15 = 15分
consent-60 = 1時間
consent-open = 自分で止めるまで
consent-window = どのウィンドウを見せますか？
consent-window-note = 上に何が重なっていても、そのウィンドウだけが見えます。
consent-no-window = 開いているウィンドウがありません。
consent-deny = 拒否
consent-allow = 許可
consent-next = 次へ
consent-wait = まずお読みください。{ $time }後に許可できます。
consent-pick = 許可するものを選んでください。
consent-pick-window = 見せるウィンドウを選んでください。
consent-left = { $time }後に拒否とみなされます
consent-refused = 受け付けられませんでした：{ $why }
consent-more = ほかに{ $n }件の要求が待っています。
elevated-title = 本当によろしいですか？
elevated-body = { $organisation } の { $technician } に広い権限を与えます：
elevated-open = 「停止」を押すまで、あなたが席を離れていても続きます。
elevated-warning = この人を知っていて、自分から連絡した場合にだけ許可してください。
elevated-allow = はい、許可します
elevated-back = 戻る
request-notice-title = 接続を求められています
request-notice-body = { $organisation } の { $technician } が返事を待っています。

## Capabilities
cap-view = 画面を見る
cap-control = マウスとキーボードを使う
cap-clipboard = クリップボードを使う
cap-files = ファイルをやり取りする
cap-terminal = コマンドを入力する
cap-diagnostics = コンピューターを調べる
cap-actions = 修復を実行する
cap-reboot = 再起動する
cap-window = 一つのウィンドウを見る
cap-screenshot = 画面を一枚撮る
cap-runbook = 用意された修復を実行する
does-view = 画面を見る
does-control = マウスとキーボードを使う
does-clipboard = クリップボードを読み書きする
does-files = ファイルを送受信する
does-terminal = コマンドを入力する
does-diagnostics = このコンピューターの状態を調べる
does-actions = 決められた一覧から修復を実行する
does-reboot = このコンピューターを再起動する
does-window = あなたが選ぶ一つのウィンドウを見る
does-screenshot = 画面を一枚撮る
does-runbook = このコンピューターの所有者が用意した修復を実行する
risk-view = 開いているものがすべて見えます。見られたくないものは先に閉じてください。
risk-control = あなたにできることは何でもできます。様子を見ていてください。
risk-clipboard = 最後にコピーしたもの（パスワードなど）を読まれる可能性があります。
risk-files = ファイルをコピーされたり、新しいファイルを置かれたりします。
risk-terminal = コマンドは、あなたにできる変更や削除を何でも行えます。
risk-diagnostics = 設定とエラーメッセージを読みます。個人のファイルは読みません。
risk-actions = 修復は設定を変えます。実行したものはここに表示されます。
risk-reboot = 保存していないものは失われます。
risk-window = そのウィンドウの中はすべて見え、ほかは見えません。
risk-screenshot = その時に開いていたものが報告に残ります。
risk-runbook = 古い一時ファイルの削除などの変更を行います。実行したものはここに表示されます。

## In session
session-who = { $organisation } の { $technician }
session-view-none = まだ何も見たり操作したりできません。
session-can = 許可されていること
session-paused = 一時停止中：何も見られず、操作もされません。
session-paused-unseen = このウィンドウがなかったため一時停止しました。自動的に再開します。
session-lost = 接続が切れました。戻るのを待っています。
session-left = 残り{ $time }
session-stop = 停止
session-pause = 一時停止
session-resume = 再開
session-extend = 15分延長
session-take = 取り消す：{ $what }
session-take-short = 取り消す
session-done = 行われていること
session-quiet = まだ何もありません。
session-since = { $time }から接続中
session-more = ほかに{ $n }件のセッションが続いています。
chat-title = メッセージ
chat-hint = 担当者へのメッセージ
chat-label = あなたのメッセージ
chat-send = 送信
chat-you = あなた
chat-empty = まだ何も書かれていません。
mark-sent = 送信済み
mark-received = 受信済み
mark-shown = 既読
banner-sees = { $who } が接続中
banner-can = 許可：{ $what }
banner-none = まだ何も許可されていません
banner-key = 停止：{ $key }
banner-key-taken = 停止キー { $key } はほかのプログラムが使っています
banner-open = 開く
banner-name = Nearhand セッション
close-notice = セッションは続いています。誰かが接続している間、このバーは残ります。終えるには「停止」を押してください。

## After
after-title = セッションは終わりました
after-summary = { $organisation } の { $technician }、{ $from }～{ $to }
after-why = 終了の理由：{ $why }
after-done = 行われたこと
after-nothing = 何も行われませんでした。
after-save = ファイルに保存
after-saved = { $file } に保存しました
after-not-saved = 保存できませんでした：{ $why }
after-thanks = いかがでしたか？
after-star-1 = 5点中1点
after-star-2 = 5点中2点
after-star-3 = 5点中3点
after-star-4 = 5点中4点
after-star-5 = 5点中5点
after-comment = コメント（任意）
after-send = 送信
after-rated = ありがとうございました。
after-report = このセッションを報告する
after-report-body = 問題があったことを組織の管理者に伝えます。担当者には見えません。
after-report-label = 何が問題でしたか
after-report-send = 報告を送る
after-reported = 報告を送りました。
after-finish = 終了
record-title = Nearhand：セッションで行われたこと
record-device = コンピューター：{ $device }

## What is done
act-sees-screen = 担当者が画面を見ています
act-leaves-screen = 担当者は画面を見なくなりました
act-sees-window = 担当者がウィンドウ { $window } を見ています
act-leaves-window = 担当者はウィンドウ { $window } を見なくなりました
act-controls = 担当者がマウスとキーボードを使えます
act-leaves-control = 担当者はマウスとキーボードを使わなくなりました
act-takes-clipboard = 担当者がクリップボードの内容を取得しています
act-takes-picture = 報告のために画面を一枚撮ります
act-records = 担当者が画面を録画しています：見たものがファイルに残ります
act-stops-recording = 担当者は録画をやめました
act-diagnoses = このコンピューターを調べています
act-diagnosed = 調査が終わり、報告を送りました
act-diagnosis-broken = 調査は中断されました
act-granted = { $time }許可：{ $what }
act-taken-back = 取り消し：{ $what }
act-expired = 時間切れ：{ $what }
act-extended = 時間を延長：{ $what }
act-refused = 担当者の要求を断りました：{ $why }
act-interrupted = 接続が切れ、戻るのを待っています
act-reconnected = 接続が戻りました
act-paused = 一時停止：何も見られず、操作もされません
act-paused-unseen = ここで誰もセッションを見ていないため一時停止しました
act-resumed = セッションを再開しました

## Tray and about
tray-idle = Nearhand：接続なし
tray-busy = Nearhand：接続中
tray-asked = Nearhand：接続を求められています
tray-lost = Nearhand：サポートサービスがありません
tray-help = 助けが必要です
tray-open = ウィンドウを開く
tray-stop = セッションを停止
about-title = Nearhand について
about-body = 何を見せ、何をさせるかをあなたが決め、すべてを見て止めることができる遠隔サポートです。
about-version = バージョン { $version }
about-device = このコンピューター：{ $device }
about-relay = リレー：{ $relay }
about-licence = MIT または Apache-2.0 ライセンスの自由ソフトウェアです。
about-made = このウィンドウの作成に使ったもの
