# كلمات النافذة نفسها.

## General
app-name = Nearhand
list-separator = {"، "}
list-empty = لا شيء
seconds = { $n ->
    [zero] { $n } ثانية
    [one] ثانية واحدة
    [two] ثانيتان
    [few] { $n } ثوانٍ
   *[other] { $n } ثانية
}
minutes = { $n ->
    [zero] { $n } دقيقة
    [one] دقيقة واحدة
    [two] دقيقتان
    [few] { $n } دقائق
   *[other] { $n } دقيقة
}
hours = { $n ->
    [zero] { $n } ساعة
    [one] ساعة واحدة
    [two] ساعتان
    [few] { $n } ساعات
   *[other] { $n } ساعة
}
hours-minutes = { $hours } س { $minutes } د
tab-help = طلب المساعدة
tab-code = رمز الدعم
tab-about = حول
tab-back = رجوع
connected = متصل
not-connected = غير متصل
close = إغلاق
cancel = إلغاء
by-program = هذه الضغطة قام بها برنامج وليس أنت، لذلك تم تجاهلها. إن لم تكن تتوقع ذلك فاضغط «إيقاف» أو «رفض».
message-from-agent = رسالة: { $text }

## The agent is away
lost-title = في انتظار خدمة الدعم
lost-body = جزء Nearhand الذي يحمي هذا الحاسوب لا يستجيب. وطالما هو غائب فلا أحد يستطيع رؤية شيء أو فعل شيء هنا. ستعيد هذه النافذة الاتصال من تلقاء نفسها.
lost-seeking = جارٍ الاتصال…

## Which support team
site-title = من يساعدك؟
site-body = يعطيك فريق الدعم نصًا يبدأ بـ «{"\u2066"}nearhand-site-{"\u2069"}». الصقه هنا. لا تستخدم إلا نصًا من فريق تواصلت معه بنفسك.
site-label = النص من فريق الدعم
site-go = متابعة
site-bad = لا يمكن استخدام هذا النص. هل نسخته كاملًا؟
site-starting = جارٍ البدء…

## Ask for help
help-title = ما المشكلة؟
help-body = صفها بكلماتك. سيقرأ فريق الدعم هذا النص.
help-what = ما المشكلة
help-what-hint = مثلًا: لم تعد الطابعة تطبع
help-urgency = ما مدى الاستعجال؟
urgency-can-wait = يمكن أن تنتظر
urgency-hampered = أستطيع العمل، لكن بصعوبة
urgency-stopped = لا أستطيع العمل إطلاقًا
help-reach = كيف نتواصل معك؟
help-reach-hint = هاتف أو بريد إلكتروني (اختياري)
help-send = طلب المساعدة
help-looking = جارٍ فحص هذا الحاسوب بحثًا عن مشكلات معروفة…
help-fixes = قد تستطيع حلها بنفسك
help-fixes-body = وُجد هذا الآن على هذا الحاسوب:
help-sent-title = طلبك
help-sending = طلبك محفوظ هنا وسيُرسل حالما يمكن الوصول إلى فريق الدعم.
help-ahead = { $n ->
    [0] دورك هو التالي.
    [one] قبلك شخص واحد.
    [two] قبلك شخصان.
    [few] قبلك { $n } أشخاص.
   *[other] قبلك { $n } شخصًا.
}
help-wait = الانتظار المتوقع: نحو { $time }
help-number = رقم الطلب { $n }
help-taken = استلم { $name } طلبك.
help-taken-body = قد يُطلب منك السماح بالاتصال. لا يحدث شيء على هذا الحاسوب قبل أن تسمح به.
help-closed = أُغلق طلبك.
help-refused = تعذر قبول طلبك: { $why }
help-withdraw = لم أعد بحاجة إلى المساعدة
help-again = طلب جديد

## Support code
code-title = رمز الدعم
code-body = اقرأ هذا الرمز لمن يساعدك. يصلح لمرة واحدة.
code-none = لا يوجد رمز الآن.
code-left = صالح لمدة { $time }
code-copy = نسخ
code-copied = تم النسخ
code-new = رمز جديد
code-cancel = إلغاء هذا الرمز
code-gone = لم يعد الرمز صالحًا: { $why }
code-warning = لا تقرأه إلا لمن تواصلت معه بنفسك. لا يطلب الأمين أثناء مساعدتك مالًا ولا بطاقات هدايا ولا بيانات حسابك المصرفي.

## Consent
consent-title = هل تسمح بهذا؟
consent-who = يطلب { $technician } من { $organisation } الاتصال
consent-reason = السبب، بكلماته هو
consent-no-reason = لم يُذكر سبب.
consent-first = لم يساعدك هذا الشخص من قبل. إن لم تتواصل معه بنفسك فاضغط «رفض». فرق الدعم لا تتصل بك دون طلب منك.
consent-warning = لا يطلب الأمين أثناء مساعدتك مالًا ولا بطاقات هدايا ولا بيانات حسابك المصرفي.
consent-what = ما يُسمح به
consent-long = المدة
consent-15 = 15 دقيقة
consent-60 = ساعة واحدة
consent-open = حتى أوقفه
consent-window = أي نافذة يمكن رؤيتها؟
consent-window-note = لن تُعرض إلا تلك النافذة، مهما كان فوقها.
consent-no-window = لا توجد نافذة مفتوحة.
consent-deny = رفض
consent-allow = سماح
consent-next = متابعة
consent-wait = اقرأ أولًا من فضلك. يمكنك السماح بعد { $time }.
consent-pick = ضع علامة على ما تريد السماح به.
consent-pick-window = اختر النافذة التي يمكن رؤيتها.
consent-left = يُعد مرفوضًا بعد { $time }
consent-refused = لم يُحتسب ذلك: { $why }
consent-more = { $n ->
    [zero] لا طلبات أخرى.
    [one] طلب آخر ينتظر.
    [two] طلبان آخران ينتظران.
    [few] { $n } طلبات أخرى تنتظر.
   *[other] { $n } طلبًا آخر ينتظر.
}
elevated-title = هل أنت متأكد؟
elevated-body = سيحصل { $technician } من { $organisation } على صلاحيات واسعة:
elevated-open = تستمر حتى وأنت بعيد عن الحاسوب، إلى أن تضغط «إيقاف».
elevated-warning = لا تسمح بهذا إلا إذا كنت تعرف هذا الشخص وتواصلت معه بنفسك.
elevated-allow = نعم، أسمح
elevated-back = رجوع
request-notice-title = هناك من يطلب الاتصال
request-notice-body = ينتظر { $technician } من { $organisation } جوابك.

## Capabilities
cap-view = رؤية الشاشة
cap-control = استخدام الفأرة ولوحة المفاتيح
cap-clipboard = استخدام الحافظة
cap-files = تبادل الملفات
cap-terminal = كتابة الأوامر
cap-diagnostics = فحص هذا الحاسوب
cap-actions = تنفيذ إصلاحات
cap-reboot = إعادة تشغيل الحاسوب
cap-window = رؤية نافذة واحدة
cap-screenshot = التقاط صورة واحدة للشاشة
cap-runbook = تنفيذ إصلاحات معدة
does-view = رؤية شاشتك
does-control = استخدام الفأرة ولوحة المفاتيح
does-clipboard = قراءة حافظتك والكتابة فيها
does-files = إرسال الملفات وجلبها
does-terminal = كتابة الأوامر
does-diagnostics = فحص حالة هذا الحاسوب
does-actions = تنفيذ إصلاحات من قائمة ثابتة
does-reboot = إعادة تشغيل هذا الحاسوب
does-window = رؤية نافذة واحدة تختارها
does-screenshot = التقاط صورة واحدة لشاشتك
does-runbook = تنفيذ إصلاحات أعدها مالك هذا الحاسوب
risk-view = يُرى كل ما هو مفتوح. أغلق ما هو خاص أولًا.
risk-control = يمكن فعل كل ما تستطيع فعله. راقب ما يحدث.
risk-clipboard = يمكن قراءة آخر ما نسخته، مثل كلمة مرور.
risk-files = يمكن أخذ نسخ من ملفاتك ووضع ملفات جديدة هنا.
risk-terminal = تستطيع الأوامر تغيير أو حذف كل ما تستطيعه أنت.
risk-diagnostics = تُقرأ الإعدادات ورسائل الخطأ، لا ملفات شخصية.
risk-actions = الإصلاحات تغير الإعدادات. يظهر كل منها هنا.
risk-reboot = ما لم يُحفظ يضيع.
risk-window = يُرى كل ما في تلك النافذة، ولا شيء غيره.
risk-screenshot = ما يكون مفتوحًا حينها يبقى في التقرير.
risk-runbook = تغير أشياء، مثل حذف الملفات المؤقتة القديمة. يظهر كل منها هنا.

## In session
session-who = { $technician } من { $organisation }
session-view-none = لا يمكن رؤية شيء أو فعل شيء بعد.
session-can = المسموح به
session-paused = متوقف مؤقتًا: لا يُرى شيء ولا يُفعل شيء.
session-paused-unseen = متوقف مؤقتًا لأن هذه النافذة لم تكن موجودة أو لم تستجب. تستمر الجلسة من تلقاء نفسها.
session-paused-other-user = متوقف مؤقتًا لأن شخصًا آخر أمام هذه الشاشة الآن. يُسأل هذا الشخص.
session-lost = انقطع الاتصال. يجري انتظاره.
session-left = بقي { $time }
session-stop = إيقاف
session-pause = إيقاف مؤقت
session-resume = استئناف
session-extend = 15 دقيقة إضافية
session-take = سحب: { $what }
session-take-short = سحب
session-done = ما يجري الآن
session-quiet = لا شيء بعد.
session-since = متصل منذ { $time }
session-more = { $n ->
    [zero] لا جلسات أخرى.
    [one] جلسة أخرى جارية.
    [two] جلستان أخريان جاريتان.
    [few] { $n } جلسات أخرى جارية.
   *[other] { $n } جلسة أخرى جارية.
}
chat-title = الرسائل
chat-hint = اكتب إلى الفني
chat-label = رسالتك
chat-send = إرسال
chat-you = أنت
chat-empty = لم يُكتب شيء بعد.
mark-sent = أُرسلت
mark-received = وصلت
mark-shown = قُرئت
banner-sees = { $who } متصل
banner-can = المسموح: { $what }
banner-none = لم يُسمح بشيء بعد
banner-key = إيقاف: { $key }
banner-key-taken = مفتاح الإيقاف { $key } يستخدمه برنامج آخر
banner-open = فتح
banner-name = جلسة Nearhand
close-notice = الجلسة مستمرة. يبقى هذا الشريط ما دام أحد متصلًا؛ اضغط «إيقاف» لإنهائها.

## After
after-title = انتهت الجلسة
after-summary = { $technician } من { $organisation }، من { $from } إلى { $to }
after-why = سبب الانتهاء: { $why }
after-done = ما تم فعله
after-nothing = لم يُفعل شيء.
after-save = حفظ في ملف
after-saved = حُفظ باسم { $file }
after-not-saved = تعذر الحفظ: { $why }
after-thanks = كيف كانت؟
after-star-1 = نجمة واحدة من 5
after-star-2 = نجمتان من 5
after-star-3 = 3 نجوم من 5
after-star-4 = 4 نجوم من 5
after-star-5 = 5 نجوم من 5
after-comment = تعليق (اختياري)
after-send = إرسال
after-rated = شكرًا لك.
after-report = الإبلاغ عن هذه الجلسة
after-report-body = أخبر مسؤولي المؤسسة بما لم يكن سليمًا. لا يراه الفني.
after-report-label = ما الذي لم يكن سليمًا
after-report-send = إرسال البلاغ
after-reported = أُرسل بلاغك.
after-finish = إنهاء
record-title = Nearhand: ما تم فعله في جلسة
record-device = الحاسوب: { $device }

## What is done
act-sees-screen = يرى الفني الشاشة
act-leaves-screen = لم يعد الفني يرى الشاشة
act-sees-window = يرى الفني النافذة { $window }
act-leaves-window = لم يعد الفني يرى النافذة { $window }
act-controls = يستطيع الفني استخدام الفأرة ولوحة المفاتيح
act-leaves-control = لم يعد الفني يستخدم الفأرة ولوحة المفاتيح
act-takes-clipboard = يأخذ الفني ما في الحافظة
act-takes-picture = تُلتقط صورة واحدة للشاشة من أجل التقرير
act-records = يسجل الفني الشاشة: ما يراه يبقى في ملف
act-stops-recording = لم يعد الفني يسجل الشاشة
act-diagnoses = يجري فحص هذا الحاسوب
act-diagnosed = انتهى الفحص وأُرسل التقرير
act-diagnosis-broken = قُطع الفحص
act-granted = مسموح لمدة { $time }: { $what }
act-taken-back = سُحب: { $what }
act-expired = انتهى وقت: { $what }
act-extended = مُنح وقت إضافي لـ: { $what }
act-refused = رُفض شيء للفني: { $why }
act-interrupted = انقطع الاتصال؛ يجري انتظاره
act-reconnected = عاد الاتصال
act-paused = متوقف مؤقتًا: لا يُرى شيء ولا يُفعل شيء
act-paused-unseen = متوقف مؤقتًا لأن لا أحد هنا كان يرى الجلسة
act-paused-other-user = متوقف مؤقتًا لأن شخصًا آخر كان أمام هذه الشاشة
act-resumed = الجلسة مستمرة

## What the agent says
said-stopped = أُوقفت على هذا الحاسوب.
said-by-technician = أنهاها الفني.
said-technician-revoked = لم تعد المؤسسة تضمن هذا الفني.
said-agent-stops = أُوقف Nearhand على هذا الحاسوب.
said-key-rotated = حصل هذا الحاسوب على مفتاح جديد.
said-nothing-granted = لم يُسمح بشيء منذ وقت طويل.
said-by-relay = أنهاها خادم فريق الدعم.
said-unwatched = لم يعد أحد عند هذا الحاسوب يستطيع رؤيتها.
said-connection-lost = انقطع الاتصال ولم يعد.
said-other-user = شخص آخر أمام هذه الشاشة الآن وسمح بالجلسة. أصبحت الجلسة له.
said-code-used = استُخدم.
said-code-burnt = جرب أحدهم رمزًا خاطئًا.
said-code-expired = انتهى وقته.
said-code-cancelled = ألغيته أنت.
said-everything-stopped = أوقفت أنت كل شيء.
said-code-lost = أُعيد تشغيل خادم فريق الدعم. أنشئ رمزًا جديدًا.
said-code-elsewhere = أنشأ شخص آخر عند هذا الحاسوب رمزًا جديدًا.
said-clock-off = ساعة هذا الحاسوب مختلة بأكثر من يوم. اضبطها من فضلك.
said-wrong-code = جرب أحدهم رمز دعم خاطئًا: { $who }. إن لم تكن قد قرأت رمزًا لأحد الآن فلا تنشئ رمزًا آخر.
said-record-unwritable = لا يمكن تدوين ما يحدث، لذلك لن يُسمح بشيء جديد. القرص ممتلئ أو لا يستجيب.
said-record-writable = يمكن تدوين ما يحدث من جديد: يمكن السماح بالطلبات.
said-missed = لم تصل بعض الأخبار إلى هذه النافذة في وقتها.
said-request-over = لم يعد ذلك الطلب مفتوحًا.
said-read-first = اقرأ أولًا من يطلب ولماذا. يمكنك السماح بعد { $time }.
said-hands-off = يستخدم الفني الفأرة أو لوحة المفاتيح الآن. أجب بعد أن يتوقف مدة { $time }.
said-nothing-chosen = لم تُحدد شيئًا مما طُلب. اضغط «رفض» بدلًا من ذلك.
said-which-window = اختر النافذة التي يمكن رؤيتها.
said-window-unlisted = لم تعد تلك النافذة موجودة. اختر من جديد.
said-session-over = انتهت تلك الجلسة.
said-none-granted = لم يعد شيء من ذلك مسموحًا.
said-chat-full = الرسالة فارغة، أو هناك رسائل كثيرة.
said-no-code = ليس لديك رمز.
said-codes-locked = جُربت رموز خاطئة كثيرة. يمكنك إنشاء رمز جديد بعد { $time }.
said-no-relay = لا يمكن الوصول إلى فريق الدعم الآن. حاول بعد قليل.
said-not-their-screen = لا تُعرض قائمة النوافذ إلا لمن هو أمام هذه الشاشة، حين يطلب فني إحداها.
said-too-many-programs = عدد كبير جدًا من برامجك متصل بالوكيل. أغلق بعضها. الإيقاف يعمل دائمًا.
said-no-text = اكتب بضع كلمات من فضلك.
said-not-theirs = ليست تلك من جلساتك المنتهية.
said-not-granted = غير مسموح: { $what }
said-grant-over = انتهى وقت: { $what }
said-not-offered = غير ممكن على هذا الحاسوب: { $what }
said-nobody-sees = لم يكن أحد عند هذا الحاسوب يستطيع رؤية ذلك.
said-path-lost = الاتصال متقطع؛ تجري المحاولة من جديد
said-path-back = استقر الاتصال من جديد
said-cant-show = لا يمكن عرض الشاشة على الفني: { $why }
said-picture-sent = أُرسلت صورة واحدة للشاشة من أجل التقرير؛ وتحتاج صورة أخرى إلى إذن جديد
said-picture-not-sent = لم تُرسل أي صورة للشاشة؛ وتحتاج محاولة أخرى إلى إذن جديد
said-window-over = لم تعد النافذة المعروضة موجودة؛ وتحتاج نافذة أخرى إلى إذن جديد
said-runbook-begins = يبدأ إصلاح معد: { $name }
said-runbook-looks = يجري فحص ما سيفعله إصلاح معد دون تغيير شيء: { $name }
said-runbook-step = إصلاح { $name }: { $what } ({ $why })
said-runbook-done = انتهى الإصلاح { $name }: { $why }
said-runbook-not-done = لم يغير الإصلاح { $name } شيئًا: { $why }
said-runbook-failed = لم ينجح الإصلاح { $name }: { $why }
said-runbook-cancelled = أُوقف الإصلاح { $name }: { $why }
said-runbook-timed-out = استغرق الإصلاح { $name } وقتًا أطول من اللازم: { $why }
said-runbook-interrupted = قُطع الإصلاح { $name }: { $why }
said-runbook-refused = رُفض إصلاح معد: { $why }
repair-restart-service = يُعاد تشغيل خدمة
repair-clear-caches = تُحذف الملفات المؤقتة القديمة
repair-rotate-logs = تُقلص السجلات القديمة
repair-mend-network = تُعاد تهيئة الشبكة
repair-sync-time = تُضبط الساعة
repair-clear-print-queue = تُحذف مهام الطباعة العالقة
repair-tame-process = يُبطأ برنامج يستهلك أكثر من اللازم أو يُنهى
repair-collect-diagnostics = يُفحص هذا الحاسوب

## What a person can mend themselves: what was found, and what to do
fix-busy = على هذا الحاسوب عمل أكثر مما يحتمل
fix-busy-do = أغلق البرامج وتبويبات المتصفح التي لا تحتاجها الآن.
fix-hot = هذا الحاسوب ساخن جدًا ولذلك يبطئ
fix-hot-do = تأكد من أن لا شيء يغطي فتحات التهوية، ودعه يبرد قليلًا.
fix-disk-full = لم تبق مساحة تُذكر للملفات على { $what }
fix-disk-full-do = احذف ما لم تعد تحتاجه وأفرغ سلة المهملات.
fix-battery = البطارية مستهلكة
fix-battery-do = أبقِ الحاسوب موصولًا بالكهرباء، واستبدل البطارية.
fix-memory = ذاكرة هذا الحاسوب تكاد تنفد
fix-memory-do = احفظ عملك، ثم أغلق البرامج وتبويبات المتصفح التي لا تحتاجها الآن.
fix-no-network = هذا الحاسوب غير متصل بأي شبكة
fix-no-network-do = تحقق من كابل الشبكة، أو شغّل الواي فاي واختر شبكتك.
fix-portal = تطلب هذه الشبكة تسجيل الدخول أولًا
fix-portal-do = افتح متصفح الويب: ستظهر صفحة تسجيل الدخول الخاصة بالشبكة.
fix-wifi = إشارة الواي فاي ضعيفة
fix-wifi-do = اقترب من جهاز التوجيه، أو استخدم كابلًا.
fix-printer = توقفت الطابعة { $what }
fix-printer-do = تحقق من الورق والحبر والكابل، ثم أطفئ الطابعة وشغّلها من جديد.
fix-print-jobs = مهام الطباعة عالقة عند الطابعة { $what }
fix-print-jobs-do = افتح قائمة مهام الطابعة وألغِ المهمة الأولى.
fix-restart = هناك تحديثات تنتظر إعادة التشغيل
fix-restart-do = احفظ عملك وأعد تشغيل الحاسوب.

## Tray and about
tray-idle = Nearhand: لا أحد متصل
tray-busy = Nearhand: أحدهم متصل
tray-asked = Nearhand: أحدهم يطلب الاتصال
tray-lost = Nearhand: خدمة الدعم غائبة
tray-help = أحتاج إلى مساعدة
tray-open = فتح النافذة
tray-stop = إيقاف الجلسة
about-title = حول Nearhand
about-body = دعم عن بُعد تقرر فيه أنت ما يُرى وما يُفعل، وتستطيع رؤية ذلك كله وإيقافه.
about-version = الإصدار { $version }
about-device = هذا الحاسوب: { $device }
about-relay = المُرحِّل: { $relay }
about-licence = برنامج حر برخصة MIT أو Apache-2.0.
about-made = صُنعت النافذة بواسطة
