!> Order and units of the 21 parameters of the published model (Tao et al. 2020; PRODA matrix_fun.m).
!> The same order as ctsm_socnn.parameters.PARAMETERS.
module proda_parameters
   implicit none (type, external)
   private

   integer, parameter, public :: n_parameters = 21

   integer, parameter, public :: i_diffus = 1    !< bioturbation diffusivity, m2 yr-1
   integer, parameter, public :: i_cryo = 2      !< cryoturbation diffusivity, m2 yr-1
   integer, parameter, public :: i_q10 = 3       !< Q10 of decomposition, 1
   integer, parameter, public :: i_efolding = 4  !< e-folding depth of decomposition, m
   integer, parameter, public :: i_tau_cwd = 5   !< turnover time of coarse woody debris, yr
   integer, parameter, public :: i_tau_l1 = 6    !< turnover time of metabolic litter, yr
   integer, parameter, public :: i_tau_l2 = 7    !< turnover time of cellulose and lignin litter, yr
   integer, parameter, public :: i_tau_s1 = 8    !< turnover time of the active pool, yr
   integer, parameter, public :: i_tau_s2 = 9    !< turnover time of the slow pool, yr
   integer, parameter, public :: i_tau_s3 = 10   !< turnover time of the passive pool, yr
   integer, parameter, public :: i_fl1s1 = 11    !< fraction of the first pool's loss that enters the second, 1
   integer, parameter, public :: i_fl2s1 = 12
   integer, parameter, public :: i_fl3s2 = 13
   integer, parameter, public :: i_fs1s2 = 14
   integer, parameter, public :: i_fs1s3 = 15
   integer, parameter, public :: i_fs2s1 = 16
   integer, parameter, public :: i_fs2s3 = 17
   integer, parameter, public :: i_fs3s1 = 18
   integer, parameter, public :: i_fcwdl2 = 19   !< share of coarse woody debris that becomes cellulose litter, 1
   integer, parameter, public :: i_w_scaling = 20 !< factor on the water scalar before it is capped at 1, 1
   integer, parameter, public :: i_beta = 21     !< decay of carbon input with depth, beta ** (depth in cm), 1

end module proda_parameters
